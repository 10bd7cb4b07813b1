package schemas

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is the length of what stands before the Avro body in a Kafka message: a zero byte, then the id of the
// schema in big-endian order.
const HeaderSize = 5

// AppendHeader appends the header of a message written with the schema of that id.
func AppendHeader(dst []byte, id int32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(id))
}

// SplitHeader returns the schema id and the Avro body of a message. The body aliases msg.
func SplitHeader(msg []byte) (id int32, body []byte, err error) {
	if len(msg) < HeaderSize {
		return 0, nil, fmt.Errorf("read message header: %d bytes are too few for a header of %d; the producer does not frame its messages for a schema registry", len(msg), HeaderSize)
	}
	if msg[0] != 0 {
		return 0, nil, fmt.Errorf("read message header: first byte is %#02x and not 0; the producer does not frame its messages for a schema registry", msg[0])
	}
	return int32(binary.BigEndian.Uint32(msg[1:])), msg[HeaderSize:], nil
}
