package useragent

import (
	"regexp"
	"strings"
)

// makers tells who makes a model whose name begins like that, for models younger than the rules of uap-core.
var makers = []struct {
	brand string
	model *regexp.Regexp
}{
	{"Samsung", regexp.MustCompile(`^(SM-|GT-|SAMSUNG)`)},
	{"XiaoMi", regexp.MustCompile(`^(2[0-9]{3}[0-9A-Z]{3,7}$|M[12][0-9]{3}[A-Z0-9]|Redmi|Mi |MI |POCO|Xiaomi|XIAOMI)`)},
	{"Huawei", regexp.MustCompile(`^(ELE|VOG|MAR|ANE|POT|STK|JNY|ELS|ANA|LYA|CLT|EML|AGS|BAH|DBY|AGR)[0-9]?-`)},
	{"Honor", regexp.MustCompile(`^(HONOR|REA-|ANY-|CRT-|RMO-|LLY-)`)},
	{"Oppo", regexp.MustCompile(`^(CPH[0-9]|OPPO|OPD[0-9]|RMX[0-9]|realme)`)},
	{"OnePlus", regexp.MustCompile(`^(ONEPLUS|OnePlus)`)},
	{"Sony", regexp.MustCompile(`^(XQ-|BRAVIA|Xperia|SO-)`)},
	{"Google", regexp.MustCompile(`^Pixel`)},
	{"Motorola", regexp.MustCompile(`(?i)^(moto|motorola) `)},
	{"Nokia", regexp.MustCompile(`^(Nokia|TA-1)`)},
	{"Nothing", regexp.MustCompile(`^A0[0-9]{2}$`)},
	{"Lenovo", regexp.MustCompile(`^(Lenovo|TB-?[0-9X])`)},
	{"Fairphone", regexp.MustCompile(`^(Fairphone|FP[3-9])`)},
	{"Wiko", regexp.MustCompile(`(?i)^(wiko|W-[A-Z][0-9])`)},
	{"Crosscall", regexp.MustCompile(`(?i)^crosscall`)},
	{"Archos", regexp.MustCompile(`(?i)^archos`)},
	{"Cubot", regexp.MustCompile(`(?i)^cubot`)},
	{"Asus", regexp.MustCompile(`^(ASUS|ZB|ZE|ZS|AI2)`)},
	{"Vivo", regexp.MustCompile(`^(vivo|V2[0-9]{3}$)`)},
	{"TCL", regexp.MustCompile(`^(TCL|T[0-9]{3}[A-Z]$)`)},
}

func maker(model string) string {
	for _, m := range makers {
		if m.model.MatchString(model) {
			return m.brand
		}
	}
	return ""
}

// androidModel returns the model as the device writes it: (Linux; Android 13; SM-A546B Build/TP1A; wv). Empty when it does not say.
func androidModel(text string) string {
	_, rest, found := strings.Cut(text, "; Android ")
	if !found {
		return ""
	}
	for part := range strings.SplitSeq(rest[:closing(rest)], ";") {
		part, _, _ = strings.Cut(part, "Build/")
		part = strings.TrimSpace(part)
		switch {
		case part == "" || part[0] >= '0' && part[0] <= '9' && len(part) < 7: // The version.
		case part == "K" || part == "wv" || part == "HarmonyOS" || part == "Mobile" || part == "Tablet" || part == "U":
		case len(part) == 5 && part[2] == '-' && strings.ToLower(part[:2]) == part[:2]: // A locale.
		default:
			if len(part) > 64 {
				return ""
			}
			return part
		}
	}
	return ""
}

// closing returns where the parenthesis that text is in ends.
func closing(text string) int {
	depth := 1
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(text)
}
