package simulate

import "time"

// How busy the hours of a day and the days of a week are, in parts; Monday first.
var (
	webHours  = weights{6, 9, 10, 11, 12, 15, 24, 40, 58, 80, 106, 134, 166, 198, 226, 252, 278, 307, 342, 385, 443, 510, 563, 590}
	webDays   = [7]float64{1.05, .98, .97, .95, .88, .92, 1.25}
	shopHours = weights{0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 9, 18, 27, 33, 41, 53, 66, 81, 95, 103, 106, 106, 106, 106}
	shopDays  = [7]float64{.75, .85, 1.05, .85, 1.05, 1.75, .4}
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// days caches the midnights of one time zone.
type days struct {
	midnight []int64 // one more than the simulated days
	weekday  []int   // 0 is Monday
}

func newDays(start time.Time, n int, zone *time.Location) *days {
	z := &days{}
	for i := range n + 1 {
		at := time.Date(start.Year(), start.Month(), start.Day()+i, 0, 0, 0, 0, zone)
		z.midnight = append(z.midnight, at.UnixMilli())
		z.weekday = append(z.weekday, (int(at.Weekday())+6)%7)
	}
	return z
}

// drawDay draws a day in [from, to) by the weight of its weekday.
func (z *days) drawDay(d *dice, from, to int, weight *[7]float64) int {
	for range 60 {
		if n := from + d.below(to-from); d.float()*1.8 < weight[z.weekday[n]] {
			return n
		}
	}
	return from
}

// online draws a moment on the web; the last day keeps its last two hours for visits to end.
func (z *days) online(d *dice, from, to int) int64 {
	n := z.drawDay(d, from, to, &webDays)
	h := webHours.draw(d)
	if n == len(z.midnight)-2 && h > 21 {
		h = 20
	}
	return z.midnight[n] + int64(h)*hour + int64(d.below(int(hour)))
}

// inShop draws a moment when a shop is open, on or after the given day.
func (z *days) inShop(d *dice, s *store, from, to int) (int64, bool) {
	for range 60 {
		n := z.drawDay(d, from, to, &shopDays)
		h := shopHours.draw(d)
		if s.open(z.weekday[n], h) && !(h == s.closes-1 && d.chance(.3)) {
			return z.midnight[n] + int64(h)*hour + int64(d.below(int(hour-5*minute))), true
		}
	}
	return 0, false
}

// open tells whether the shop is open during the whole of that local hour.
func (s *store) open(weekday, h int) bool {
	closes := s.closes
	if weekday == 6 {
		if !s.sunday {
			return false
		}
		closes = sundayCloses
	}
	return h >= s.opens && h < closes
}

func (z *days) dayOf(at int64) int {
	n := 0
	for n+1 < len(z.midnight) && z.midnight[n+1] <= at {
		n++
	}
	return n
}
