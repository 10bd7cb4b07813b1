package jsonindex

// A reader that takes members out of an object marks them, and what is left can be written as one
// object again. Marks belong to an event: the next one starts without any, also on a value that
// several events share.

const touched = 1 // the low bit of a mark: something inside was lifted, not the member itself

// NextEvent forgets all marks.
func (ix *Index) NextEvent() { ix.event++ }

// Lift marks a member as taken: [AppendRest] leaves it out.
func (m Member) Lift() { m.ix.nodes[m.key].mark = m.ix.event << 1 }

// Lifted says whether the member was taken.
func (m Member) Lifted() bool { return m.ix.nodes[m.key].mark == m.ix.event<<1 }

// Touch marks a member as having lost something inside: [AppendRest] writes what is left of it.
func (m Member) Touch() {
	if !m.Lifted() {
		m.ix.nodes[m.key].mark = m.ix.event<<1 | touched
	}
}

func (m Member) touchedInside() bool { return m.ix.nodes[m.key].mark == m.ix.event<<1|touched }

// AppendRest writes an object without its lifted members, and without what lifting left empty. It
// writes nothing when nothing is left or the value is no object.
func AppendRest(dst []byte, v Value) []byte {
	dst, _ = appendRest(dst, v)
	return dst
}

// appendRest reports whether it wrote anything.
func appendRest(dst []byte, v Value) ([]byte, bool) {
	began := len(dst)
	switch v.Kind() {
	case Object:
		dst = append(dst, '{')
		empty := len(dst)
		dst = AppendMembers(dst, v)
		if len(dst) == empty {
			return dst[:began], false
		}
		return append(dst, '}'), true
	case Array:
		return appendRestOfArray(dst, v)
	}
	return dst, false
}

// AppendMembers writes what [AppendRest] would, without the braces.
func AppendMembers(dst []byte, v Value) []byte {
	first := true
	for m := v.Members(); m.More(); m = m.Next() {
		if m.Lifted() {
			continue
		}
		before := len(dst)
		if !first {
			dst = append(dst, ',')
		}
		key := Value{ix: m.ix, n: m.key}
		dst = append(AppendValue(dst, key), ':')
		if m.touchedInside() {
			var wrote bool
			if dst, wrote = appendRest(dst, m.Value()); !wrote {
				dst = dst[:before]
				continue
			}
		} else {
			dst = AppendValue(dst, m.Value())
		}
		first = false
	}
	return dst
}

// appendRestOfArray keeps the place of each item, so that what is left of the third product is third;
// it writes nothing when nothing is left of any.
func appendRestOfArray(dst []byte, v Value) ([]byte, bool) {
	began, left := len(dst), false
	dst = append(dst, '[')
	for i := v.Items(); i.More(); i = i.Next() {
		if len(dst) > began+1 {
			dst = append(dst, ',')
		}
		if i.Value().Kind() != Object {
			dst, left = AppendValue(dst, i.Value()), true
			continue
		}
		var wrote bool
		if dst, wrote = appendRest(dst, i.Value()); wrote {
			left = true
		} else {
			dst = append(dst, '{', '}')
		}
	}
	if !left {
		return dst[:began], false
	}
	return append(dst, ']'), true
}

// AppendValue writes a value as it stands in its text. Halves of surrogate pairs, which JSON allows and
// the readers after us refuse, become U+FFFD.
func AppendValue(dst []byte, v Value) []byte {
	raw := v.Raw()
	if v.ix == nil || !v.ix.surrogate {
		return append(dst, raw...)
	}
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		size, half := escape(raw[i:])
		if half {
			dst = append(dst, `\ufffd`...)
		} else {
			dst = append(dst, raw[i:i+size]...)
		}
		i += size
	}
	return dst
}

// AppendMerged writes one object of two: members of over win, objects are merged at every depth.
func AppendMerged(dst []byte, over, under Value) []byte {
	dst = append(dst, '{')
	first := true
	inOver, inUnder := over.lookup(), under.lookup()
	for m := over.Members(); m.More(); m = m.Next() {
		dst = appendKey(dst, m, &first)
		below := inUnder(m.Key())
		if m.Value().Kind() == Object && below.Kind() == Object {
			dst = AppendMerged(dst, m.Value(), below)
		} else {
			dst = AppendValue(dst, m.Value())
		}
	}
	for m := under.Members(); m.More(); m = m.Next() {
		if inOver(m.Key()).Kind() == Missing {
			dst = AppendValue(appendKey(dst, m, &first), m.Value())
		}
	}
	return append(dst, '}')
}

func appendKey(dst []byte, m Member, first *bool) []byte {
	if !*first {
		dst = append(dst, ',')
	}
	*first = false
	return append(AppendValue(dst, Value{ix: m.ix, n: m.key}), ':')
}

// Path names the place of a fault inside v, in the form properties.products[3].name.
func (ix *Index) Path(v Value, pos int) string {
	var path []byte
	for len(path) < maxPath {
		inner, step := ix.step(v, pos)
		if inner.Kind() == Missing {
			break
		}
		path = append(path, step...)
		v = inner
	}
	return trimPath(path)
}
