package enricher

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/services/enricher/calendar"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/traffic"
	"github.com/parcours-cdp/parcours/services/enricher/useragent"
)

// The values that an analyst meets in the columns stand on the reference page.
func TestTheReferencePageNamesEveryValue(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/enrichments.md")
	if err != nil {
		t.Fatal(err)
	}
	values := [][]string{
		{reasonPanic, reasonNoOutcome, reasonDisabled, reasonDenied, reasonMissing, reasonNoData, reasonNoUserAgent, reasonServerLibrary, reasonOfflineChannel, reasonNoPage, reasonNoTime},
		{reference.Unreadable, reference.Malformed, reference.TooFewRows, reference.LostRows},
		{reasonMalformed, reasonUnknownSchema, reasonRequired, StatusApplied, StatusSkipped, StatusFailed},
		{useragent.Desktop, useragent.Mobile, useragent.Tablet, useragent.TV, useragent.Console, useragent.Bot, useragent.Till, useragent.Unknown},
		{
			traffic.Direct, traffic.Internal, traffic.CrossNetwork, traffic.PaidShopping, traffic.PaidSearch, traffic.PaidSocial, traffic.PaidVideo,
			traffic.Display, traffic.PaidOther, traffic.AIAssistant, traffic.OrganicShopping, traffic.OrganicSocial, traffic.OrganicVideo,
			traffic.OrganicSearch, traffic.Email, traffic.Affiliates, traffic.Referral, traffic.Audio, traffic.SMS, traffic.MobilePush, traffic.Unassigned,
		},
		{
			useragent.KindSearch, useragent.KindAI, useragent.KindPreview, useragent.KindMonitor, useragent.KindFeed, useragent.KindAdvertising,
			useragent.KindArchive, useragent.KindTool, useragent.KindOther,
		},
		{
			calendar.SchoolAllSaints, calendar.SchoolChristmas, calendar.SchoolWinter, calendar.SchoolSpring, calendar.SchoolAscension, calendar.SchoolSummer,
			calendar.SchoolOther, calendar.ZoneA, calendar.ZoneB, calendar.ZoneC, calendar.Corsica, calendar.WinterSales, calendar.SummerSales,
		},
		{traffic.ClassSearch, traffic.ClassSocial, traffic.ClassEmail, traffic.ClassAI, traffic.ClassInternal, traffic.ClassOther, traffic.ClassNone},
		{
			calendar.NewYear, calendar.GoodFriday, calendar.EasterMonday, calendar.LabourDay, calendar.VictoryDay, calendar.Ascension, calendar.WhitMonday,
			calendar.BastilleDay, calendar.Assumption, calendar.AllSaints, calendar.ArmisticeDay, calendar.Christmas, calendar.SaintStephen, calendar.AbolitionDay,
		},
	}
	for _, value := range slices.Concat(values...) {
		if !strings.Contains(string(page), "`"+value+"`") {
			t.Errorf("`%s` is not on docs/reference/enrichments.md", value)
		}
	}
	for _, link := range defaultLinks(t) {
		d := link.Describe()
		for _, name := range append(append([]string{d.Name}, d.Reads...), d.Writes...) {
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("%s: `%s` is not on the page", d.Name, name)
			}
		}
	}
}
