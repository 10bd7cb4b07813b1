package identifier

import "strings"

// nobody are the values programs send when they have none, in lower case.
var nobody = map[string]struct{}{
	"": {}, "-1": {}, "null": {}, "nil": {}, "undefined": {}, "none": {}, "nan": {}, "n/a": {}, "na": {},
	"anonymous": {}, "anonyme": {}, "guest": {}, "invite": {}, "invité": {}, "unknown": {}, "inconnu": {},
	"[object object]": {}, "true": {}, "false": {}, "not_authenticated": {}, "undefined undefined": {},
	"(not set)": {}, "(none)": {}, "void": {}, "empty": {}, "vide": {}, "aucun": {},
}

const longestNobody = 24

// quotes are what encoders leave around a value when they encode it twice.
const quotes = `"'\` + "`"

// isNobody tells values that stand for "no value", also within quotes.
func isNobody(value string) bool {
	value = strings.Trim(value, quotes+" ")
	if zeroes(value) {
		return true
	}
	if len(value) > longestNobody {
		return false
	}
	_, blocked := nobody[strings.ToLower(value)]
	return blocked
}

// zeroes is ^[0-]*$: an id that was never filled in.
func zeroes(value string) bool {
	for i := range len(value) {
		if value[i] != '0' && value[i] != '-' {
			return false
		}
	}
	return true
}

// noMailbox are the words typed at a till to get past the e-mail field.
var noMailbox = map[string]struct{}{
	"test": {}, "tests": {}, "essai": {}, "nomail": {}, "noemail": {}, "no-mail": {}, "no-email": {}, "sansmail": {}, "sans-mail": {},
	"pasdemail": {}, "pasdemel": {}, "pas-de-mail": {}, "pasdadresse": {}, "aucun": {}, "aucune": {}, "azerty": {}, "qwerty": {},
	"anonyme": {}, "anonymous": {}, "inconnu": {}, "unknown": {}, "null": {}, "undefined": {}, "none": {}, "na": {}, "nc": {}, "xx": {}, "xxx": {},
	"toto": {}, "mail": {}, "email": {}, "client": {}, "neant": {}, "vide": {},
}

// testMailbox tells addresses typed to satisfy a form: the same word on both sides (test@test.com), one
// letter only (a@a.fr), or a word that says there is none at any domain (pasdemail@gmail.com).
func testMailbox(local, domain string) bool {
	label, _, _ := strings.Cut(domain, ".")
	if local == label {
		if _, known := noMailbox[local]; known || len(local) <= 3 || sameByte(local) {
			return true
		}
	}
	switch local {
	case "nomail", "noemail", "pasdemail", "sansmail", "pas-de-mail", "sans-mail", "pasdemel":
		return true
	}
	return false
}

func sameByte(s string) bool {
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			return false
		}
	}
	return true
}

// roles are mailboxes of an office, not of a person.
var roles = map[string]struct{}{
	"abuse": {}, "accueil": {}, "admin": {}, "administrateur": {}, "administration": {}, "bonjour": {}, "boutique": {}, "caisse": {},
	"commande": {}, "commandes": {}, "commercial": {}, "compta": {}, "comptabilite": {}, "contact": {}, "contacts": {}, "direction": {},
	"hello": {}, "hostmaster": {}, "info": {}, "infos": {}, "information": {}, "mailer-daemon": {}, "magasin": {}, "marketing": {},
	"ne-pas-repondre": {}, "nepasrepondre": {}, "newsletter": {}, "no-reply": {}, "noreply": {}, "do-not-reply": {}, "donotreply": {},
	"postmaster": {}, "reception": {}, "sav": {}, "secretariat": {}, "service-client": {}, "service.client": {}, "serviceclient": {},
	"support": {}, "vente": {}, "ventes": {}, "webmaster": {},
}

func roleMailbox(local string) bool {
	if tag := strings.IndexByte(local, '+'); tag > 0 {
		local = local[:tag]
	}
	_, role := roles[local]
	return role
}
