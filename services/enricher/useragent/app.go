package useragent

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// App is what the SDK of an application says about the device it runs on.
type App struct {
	// Type, Manufacturer and Model are the device's; OS and OSVersion its system's; Name and Version the application's.
	Type, Manufacturer, Model string
	OS, OSVersion             string
	Name, Version             string
	// Width and Height of the screen in pixels of the page, 0 when unknown.
	Width, Height int32
}

// Given reports whether the SDK said anything about the device.
func (a App) Given() bool { return a.Type != "" || a.Model != "" || a.OS != "" }

// FromApp classes an application's device without a user agent.
func FromApp(a App) Device {
	d := Device{
		Brand: brandName(a.Manufacturer), Model: a.Model, OS: systemName(a.OS), OSVersion: a.OSVersion, Browser: a.Name, BrowserVersion: a.Version,
	}
	kind := strings.ToLower(a.Type)
	if d.OS == "" {
		d.OS = systemName(kind)
		if d.OS == kind && kind != "" {
			d.OS = "" // The type is no system, but a word such as mobile.
		}
	}
	model := strings.ToLower(a.Model)
	switch {
	case isTV(model) || kind == "tv" || kind == "smarttv" || d.OS == "tvOS":
		d.Class = TV
	case strings.Contains(model, "ipad") || d.OS == "iPadOS" || kind == "tablet" || tabletModel.MatchString(model) || isTablet(model):
		d.Class = Tablet
	case d.OS == "Android" && min(a.Width, a.Height) >= 600 && min(a.Width, a.Height) < 1000 && kind != "mobile" && kind != "phone":
		d.Class = Tablet // Android itself calls a screen of 600 pixels or more a tablet's; above 1,000 they are physical pixels of a telephone.
	case d.OS == "iOS" || d.OS == "Android" || kind == "mobile" || kind == "phone":
		d.Class = Mobile
	case d.OS == "macOS" || d.OS == "Windows" || d.OS == "Linux" || d.OS == "Chrome OS" || kind == "desktop":
		d.Class = Desktop
	default:
		d.Class = Unknown
	}
	return d
}

// brandName writes a maker as people do: SDKs say samsung, SAMSUNG and Samsung.
func brandName(manufacturer string) string {
	switch lower := strings.ToLower(manufacturer); lower {
	case "":
		return ""
	case "htc", "lg", "zte", "tcl", "bq":
		return strings.ToUpper(lower)
	case "lge":
		return "LG"
	case "oneplus":
		return "OnePlus"
	case "hmd global":
		return "Nokia"
	default:
		if lower == manufacturer || strings.ToUpper(lower) == manufacturer {
			first, size := utf8.DecodeRuneInString(lower)
			return string(unicode.ToUpper(first)) + lower[size:]
		}
		return manufacturer
	}
}
