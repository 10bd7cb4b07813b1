// Package dedup knows which records of a partition repeat an earlier one.
//
// The answer is a function of the log, and of nothing else: the record at an offset, with its id and its time t,
// is a duplicate if and only if a record with the same id stands at a smaller offset of the same partition and
// its time is not before t less the window. Copies that were duplicates themselves count, and so do earlier
// copies with a later time.
//
// The index is a cache of that function's argument. It promises, for each partition, two numbers: applied, below
// which every offset was seen, and floor, the time from which on every record below applied is in the index. What
// it is asked and does not know by these two, it reads back from the log before it answers. Both are written in
// one batch with the ids they speak of. There is no log of writes beside Kafka: a crash leaves an older state,
// whole, and the rest is read back.
//
// On disk there is for each id, and each six hours in which it was seen, the latest time at which it was seen:
// whether a copy with a time of at least t less the window is there is then the question whether one of these
// times is. In memory there is a filter of some [bitsPerID] bits for each of them, so that an id that is new,
// which is nearly every one, costs no read. A filter only ever says "perhaps": the disk has the last word.
// With the room for what is to come that makes about two bytes of memory for each id, and 25 on the disk.
//
// Times that no record asks for any longer go, six hours at a time, and the floor rises. The disk therefore holds
// the window, and what the log's own disorder adds to it. A record that comes later than that is answered as well:
// the floor is lowered again by reading back, and what was read is kept for as many records. Where every range has a
// record of a clock that is days behind, these days are kept: the answer asks for them.
//
// Who opens an index closes it.
package dedup
