package person

import "hash/maphash"

// seeds key the cache: two hashes of 64 bits, whose keys the process draws at the start and shows nobody.
type seeds [2]maphash.Seed

func newSeeds() seeds { return seeds{maphash.MakeSeed(), maphash.MakeSeed()} }

// usual is room for the values of nearly every person, so that a question allocates nothing.
const usual = 768

// key stands for all that an answer depends upon. The length goes before each value: "ab" and "c" are not "a" and "bc".
func (s *seeds) key(f *Facts) [2]uint64 {
	var room [usual]byte
	b := room[:0]
	for _, text := range [...]string{
		f.Civility, f.FirstName, f.LastName, f.FullName, f.Gender, f.Email, f.Phone,
		f.Street, f.PostalCode, f.City, f.Region, f.Country, f.Company, f.Title,
	} {
		n := uint32(len(text))
		b = append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		b = append(b, text...)
	}
	b = append(b, byte(f.Fit))
	key := [2]uint64{maphash.Bytes(s[0], b), maphash.Bytes(s[1], b)}
	clear(b)
	return key
}
