package attributes

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Types of values.
const (
	String  = "string"
	Number  = "number"
	Boolean = "boolean"
	Date    = "date"
	// None is the type of a value that its source took back; its text is empty.
	None = "none"
)

const (
	// MaxText is the longest text of a value, in bytes.
	MaxText = 4096
	// MaxValues is how many values one set may have.
	MaxValues = 512

	maxText8 = 255
)

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	valueForm  = regexp.MustCompile(`^[\pL_$][\pL\pN_.$ -]{0,126}$`)
	numberForm = regexp.MustCompile(`^[+-]?[0-9]{1,30}([.,][0-9]{1,18})?$`)
)

// ValidName names what is wrong with the name of an attribute.
func ValidName(name string) error {
	if !valueForm.MatchString(name) {
		return fmt.Errorf("name is %q: begin with a letter and use letters, digits, spaces, - _ and ., 127 at most", name)
	}
	return nil
}

// ValidType names what is wrong with the type of a value.
func ValidType(typ string) error {
	switch typ {
	case String, Number, Boolean, Date:
		return nil
	}
	return fmt.Errorf("type is %q: give %s, %s, %s or %s", typ, String, Number, Boolean, Date)
}

// Parse makes a text as people and files write it the text of a value: numbers with a point or a comma and without leading zeros, true or
// false in English, French or digits, dates as 2024-05-31 or 31/05/2024. The error names the value.
func Parse(typ, text string) (string, error) {
	text = strings.TrimSpace(text)
	switch typ {
	case String:
		switch {
		case !utf8.ValidString(text):
			return "", fmt.Errorf("value %q is not UTF-8: convert the file", text)
		case text == "":
			return "", fmt.Errorf("value is empty: leave the attribute out")
		case len(text) > MaxText:
			return "", fmt.Errorf("value %q... has %d bytes: give %d at most", text[:20], len(text), MaxText)
		}
		return text, nil
	case Number:
		return parseNumber(text)
	case Boolean:
		switch strings.ToLower(text) {
		case "true", "1", "yes", "y", "t", "oui", "o", "vrai":
			return "true", nil
		case "false", "0", "no", "n", "f", "non", "faux":
			return "false", nil
		}
		return "", fmt.Errorf("value %q is not a boolean: give true or false", shown(text))
	case Date:
		for _, layout := range []string{time.DateOnly, "02/01/2006", time.RFC3339} {
			if day, err := time.Parse(layout, text); err == nil {
				return day.Format(time.DateOnly), nil
			}
		}
		return "", fmt.Errorf("value %q is not a date: give it as 2024-05-31", shown(text))
	}
	return "", ValidType(typ)
}

func parseNumber(text string) (string, error) {
	if !numberForm.MatchString(text) {
		return "", fmt.Errorf("value %q is not a number: give digits, with a point before the decimals", shown(text))
	}
	sign := ""
	if text[0] == '-' {
		sign = "-"
	}
	whole, decimals, _ := strings.Cut(strings.Replace(strings.TrimLeft(text, "+-"), ",", ".", 1), ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if decimals = strings.TrimRight(decimals, "0"); decimals != "" {
		return sign + whole + "." + decimals, nil
	}
	if whole == "0" {
		sign = ""
	}
	return sign + whole, nil
}

// shown cuts a value for a message.
func shown(text string) string {
	const most = 60
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// validateValue holds for values as they stand on the topic: what Parse gives, or nothing of type None.
func validateValue(v Value) error {
	if err := ValidName(v.Name); err != nil {
		return err
	}
	if len(v.Source) > maxText8 {
		return fmt.Errorf("source of %s is %q: give %d bytes at most", v.Name, shown(v.Source), maxText8)
	}
	if v.Type == None {
		if v.Text != "" {
			return fmt.Errorf("value of %s is %q although it was taken back: leave it empty", v.Name, shown(v.Text))
		}
		return nil
	}
	text, err := Parse(v.Type, v.Text)
	if err != nil {
		return fmt.Errorf("%s: %w", v.Name, err)
	}
	if text != v.Text {
		return fmt.Errorf("%s: value %q is not written as %q: write it so", v.Name, shown(v.Text), shown(text))
	}
	return nil
}
