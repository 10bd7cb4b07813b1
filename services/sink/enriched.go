package sink

import "github.com/parcours-cdp/parcours/schemas"

// farthest is more km than there are between any two places of the earth.
const farthest = 20_100

// beyond is whether a number is known and lies outside; what is no number lies outside of everything.
func beyond[N int32 | float64](v schemas.Optional[N], least, most N) bool {
	return v.Valid && !(v.Value >= least && v.Value <= most)
}

// knownOutOfRange names the first number of the enrichments that means nothing where it stands: a decile of 0 would pass
// for one below the first, and a NaN would make every mean one. Sections that are absent are not looked at.
func (t *touchpoint) knownOutOfRange() string {
	shop, home, area, profile, name := &t.Shop.Value, &t.Home.Value, &t.Area.Value, &t.Profile.Value, &t.FirstName.Value
	switch {
	case t.Shop.Valid && beyond(shop.DistanceKm, 0, farthest):
		return "shop.distance_km"
	case t.Home.Valid && beyond(home.Confidence, 0, 1):
		return "home.confidence"
	case !t.Area.Valid:
	case beyond(area.IncomeQuintile, 1, 5):
		return "area.income_quintile"
	case beyond(area.IncomeDecile, 1, 10):
		return "area.income_decile"
	case beyond(area.PovertyRate, 0, 100):
		return "area.poverty_rate"
	case beyond(area.Under30, 0, 100):
		return "area.under_30"
	case beyond(area.Over60, 0, 100):
		return "area.over_60"
	}
	switch {
	case t.FirstName.Valid && beyond(name.FemaleProbability, 0, 1):
		return "first_name.female_probability"
	case t.FirstName.Valid && beyond(name.BirthDecadeProbability, 0, 1):
		return "first_name.birth_decade_probability"
	case t.FirstName.Valid && beyond(name.AgeBandProbability, 0, 1):
		return "first_name.age_band_probability"
	case !t.Profile.Valid:
	case beyond(profile.Age, 0, 150):
		return "profile.age"
	case beyond(profile.AddressCompleteness, 0, 100):
		return "profile.address_completeness"
	case beyond(profile.Contactability, 0, 100):
		return "profile.contactability"
	}
	return ""
}

// addPlaces adds the places of an event, and what is known of them.
func addPlaces(r *rows, t *touchpoint) {
	r.section(&t.Network.Valid, func() {
		r.words("network_country", &t.Network.Value.Country)
		r.words("network_region", &t.Network.Value.Region)
		r.words("network_city", &t.Network.Value.City)
		r.words("network_commune_code", &t.Network.Value.CommuneCode)
		r.words("network_region_code", &t.Network.Value.RegionCode)
	})
	r.section(&t.Shop.Valid, func() {
		r.words("shop_name", &t.Shop.Value.Name)
		r.words("shop_banner", &t.Shop.Value.Banner)
		r.words("shop_postal_code", &t.Shop.Value.PostalCode)
		r.words("shop_commune_code", &t.Shop.Value.CommuneCode)
		r.words("shop_department_code", &t.Shop.Value.DepartmentCode)
		r.words("shop_region_code", &t.Shop.Value.RegionCode)
		r.maybeBools("shop_open", &t.Shop.Value.Open)
		r.maybeFloats("shop_distance_km", &t.Shop.Value.DistanceKm)
	})
	r.section(&t.Home.Valid, func() {
		r.words("home_basis", &t.Home.Value.Basis)
		r.words("home_country", &t.Home.Value.Country)
		r.words("home_postal_code", &t.Home.Value.PostalCode)
		r.words("home_commune_code", &t.Home.Value.CommuneCode)
		r.words("home_commune", &t.Home.Value.Commune)
		r.words("home_department_code", &t.Home.Value.DepartmentCode)
		r.words("home_department", &t.Home.Value.Department)
		r.words("home_region_code", &t.Home.Value.RegionCode)
		r.words("home_region", &t.Home.Value.Region)
		r.maybeInt32s("home_population", &t.Home.Value.Population)
		r.words("home_density", &t.Home.Value.Density)
		r.words("home_match", &t.Home.Value.Match)
		r.maybeFloats("home_confidence", &t.Home.Value.Confidence)
	})
	r.section(&t.Area.Valid, func() {
		r.words("area_level", &t.Area.Value.Level)
		r.words("area_code", &t.Area.Value.Code)
		r.maybeInt32s("area_year", &t.Area.Value.Year)
		r.words("area_status", &t.Area.Value.Status)
		r.maybeInt32s("area_median_income", &t.Area.Value.MedianIncome)
		r.maybeUInt8s("area_income_quintile", &t.Area.Value.IncomeQuintile)
		r.maybeUInt8s("area_income_decile", &t.Area.Value.IncomeDecile)
		r.maybeFloats("area_poverty_rate", &t.Area.Value.PovertyRate)
		r.maybeFloats("area_under_30", &t.Area.Value.Under30)
		r.maybeFloats("area_over_60", &t.Area.Value.Over60)
	})
}

// addPerson adds what the event says or suggests of the person, what was known before, and the amounts in the currency of the workspace.
func addPerson(r *rows, t *touchpoint) {
	r.section(&t.Profile.Valid, func() {
		r.maybeUInt8s("profile_age", &t.Profile.Value.Age)
		r.words("profile_age_band", &t.Profile.Value.AgeBand)
		r.words("profile_gender", &t.Profile.Value.Gender)
		r.words("profile_gender_basis", &t.Profile.Value.GenderBasis)
		r.words("profile_household", &t.Profile.Value.Household)
		r.text("profile_household_id", &t.Profile.Value.HouseholdID)
		r.words("profile_dwelling", &t.Profile.Value.Dwelling)
		r.words("profile_email_status", &t.Profile.Value.EmailStatus)
		r.words("profile_email_class", &t.Profile.Value.EmailClass)
		r.words("profile_email_suggestion", &t.Profile.Value.EmailSuggestion)
		r.words("profile_phone_status", &t.Profile.Value.PhoneStatus)
		r.words("profile_phone_line", &t.Profile.Value.PhoneLine)
		r.words("profile_phone_country", &t.Profile.Value.PhoneCountry)
		r.words("profile_phone_region", &t.Profile.Value.PhoneRegion)
		r.maybeUInt8s("profile_address_completeness", &t.Profile.Value.AddressCompleteness)
		r.maybeUInt8s("profile_contactability", &t.Profile.Value.Contactability)
	})
	r.section(&t.FirstName.Valid, func() {
		r.maybeFloats("first_name_female_probability", &t.FirstName.Value.FemaleProbability)
		r.words("first_name_gender", &t.FirstName.Value.Gender)
		r.maybeInt32s("first_name_birth_decade", &t.FirstName.Value.BirthDecade)
		r.maybeFloats("first_name_birth_decade_probability", &t.FirstName.Value.BirthDecadeProbability)
		r.words("first_name_age_band", &t.FirstName.Value.AgeBand)
		r.maybeFloats("first_name_age_band_probability", &t.FirstName.Value.AgeBandProbability)
		r.maybeInt32s("first_name_people", &t.FirstName.Value.People)
	})
	r.section(&t.Customer.Valid, func() {
		r.words("customer_age_band", &t.Customer.Value.AgeBand)
		r.words("customer_gender", &t.Customer.Value.Gender)
		r.words("customer_loyalty_tier", &t.Customer.Value.LoyaltyTier)
		r.maybeDates("customer_first_order_date", &t.Customer.Value.FirstOrderDate)
		r.words("customer_orders_band", &t.Customer.Value.OrdersBand)
		r.documents("customer_traits", &t.customerTraits)
	})
	r.section(&t.Money.Valid, func() {
		r.words("money_currency", &t.Money.Value.Currency)
		r.words("money_original_currency", &t.Money.Value.OriginalCurrency)
		r.text("money_rate", &t.Money.Value.Rate)
		r.maybeDates("money_rate_date", &t.Money.Value.RateDate)
		r.words("money_rate_source", &t.Money.Value.RateSource)
		r.decimals("money_value", &t.Money.Value.Value)
		r.decimals("money_subtotal", &t.Money.Value.Subtotal)
		r.decimals("money_revenue", &t.Money.Value.Revenue)
		r.decimals("money_total", &t.Money.Value.Total)
		r.decimals("money_shipping", &t.Money.Value.Shipping)
		r.decimals("money_tax", &t.Money.Value.Tax)
		r.decimals("money_discount", &t.Money.Value.Discount)
	})
	r.section(&t.attributed, func() { r.documents("attributes", &t.attributes) })
}
