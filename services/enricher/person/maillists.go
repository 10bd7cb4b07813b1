package person

// freeMail are providers where everybody can have a mailbox, and those of access providers; French ones first.
var freeMail = setOf(`
gmail.com googlemail.com
orange.fr wanadoo.fr voila.fr
free.fr aliceadsl.fr alicemail.fr libertysurf.fr online.fr freesbee.fr
sfr.fr neuf.fr 9online.fr 9business.fr cegetel.net club-internet.fr noos.fr numericable.fr numericable.com evhr.net modulonet.fr
bbox.fr laposte.net
hotmail.fr hotmail.com hotmail.be hotmail.ch hotmail.it hotmail.es hotmail.de hotmail.co.uk hotmail.nl hotmail.ca hotmail.gr
live.fr live.com live.be live.it live.nl live.de live.co.uk live.ca live.ch livemail.fr
outlook.fr outlook.com outlook.be outlook.de outlook.es outlook.it outlook.pt outlook.ie outlook.at outlook.dk
msn.com windowslive.com passport.com
yahoo.fr yahoo.com yahoo.be yahoo.co.uk yahoo.de yahoo.es yahoo.it yahoo.ca yahoo.ie yahoo.in yahoo.co.in yahoo.com.br yahoo.gr yahoo.nl yahoo.pl yahoo.ro yahoo.se
yahoo.com.ar yahoo.com.mx yahoo.co.jp yahoo.com.au ymail.com rocketmail.com myyahoo.com
icloud.com me.com mac.com
aol.com aol.fr aol.de aol.co.uk aim.com
gmx.fr gmx.com gmx.net gmx.de gmx.ch gmx.at gmx.es gmx.co.uk
proton.me protonmail.com protonmail.ch pm.me
tutanota.com tutanota.de tuta.io tuta.com tutamail.com keemail.me mailfence.com mailo.com mailo.fr netcourrier.com zaclys.net posteo.net posteo.de posteo.eu posteo.ch disroot.org riseup.net ik.me ikmail.com
caramail.com caramail.fr lycos.fr tiscali.fr worldonline.fr infonie.fr ifrance.com nordnet.fr dartybox.com
mail.com email.com usa.com zoho.com zohomail.com zohomail.eu fastmail.com fastmail.fm hushmail.com inbox.com mail.fr
mail.ru yandex.ru yandex.com list.ru bk.ru inbox.ru
web.de t-online.de freenet.de arcor.de
skynet.be telenet.be proximus.be voo.be scarlet.be belgacom.net brutele.be base.be
bluewin.ch sunrise.ch hispeed.ch vtxnet.ch netplus.ch
pt.lu internet.lu vo.lu
libero.it virgilio.it tin.it alice.it tiscali.it
telefonica.net terra.es
sapo.pt
mediaserv.net only.fr wanadoo.re ool.fr zeop.re mail.pf canl.nc lagoon.nc
btinternet.com virginmedia.com sky.com ntlworld.com talktalk.net
comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net
qq.com 163.com 126.com naver.com
`)

// knownMail are other real domains that are near a provider's; nobody is corrected away from them.
var knownMail = setOf(`
orange.com orange-business.com orange.be orange.es orange.pl orange.ro orange.sn orange.ci orange.ma orange.lu orange.jo orange.nl orange.tn
free.com free.org free.net free.it free-mobile.fr iliad.fr proxad.net freebox.fr
sfr.com sfr.net sfr.re neuf.com altice.com
laposte.fr laposte.com laposte-groupe.fr
live.nl live.se live.no live.dk live.in live.com.pt live.com.mx live.jp live.hk
hotmail.se hotmail.no hotmail.dk hotmail.fi hotmail.com.br hotmail.com.ar hotmail.com.mx hotmail.co.jp hotmail.sg hotmail.my hotmail.ro
outlook.sa outlook.sk outlook.cz outlook.hu outlook.in outlook.jp outlook.kr outlook.lv outlook.my outlook.ph outlook.sg outlook.com.br outlook.com.au outlook.com.ar outlook.cl outlook.fi
yahoo.at yahoo.ch yahoo.dk yahoo.no yahoo.fi yahoo.hu yahoo.cz yahoo.pt yahoo.com.tr yahoo.com.sg yahoo.com.hk yahoo.com.tw yahoo.com.vn yahoo.co.id yahoo.co.th yahoo.co.za yahoo.co.nz yahoo.com.ph yahoo.com.co yahoo.com.pe yahoo.com.ve yahoo.cl yahoo-inc.com yahooinc.com
aol.it aol.es aol.in
gmx.us gmx.eu gmx.li gmx.info gmx.tm gmx.biz
msn.fr msn.net
line.com line.me like.com mail.de email.de email.it email.cz
skynet.com telenet.com
bbox.com icloud.fr
gmail.co.uk
wanadoo.es wanadoo.co.uk wanadoo.nl wanadoo.com wanadoo.mu
numericable.be numericable.lu
gail.com grail.com orang.com orange-ftgroup.com
googlemail.fr google.com google.fr microsoft.com apple.com
`)

// misspelledMail are slips of the finger that somebody registered, so the published list of disposable domains has them. Who types one of them at a till
// or in a form meant the provider; the list's other look-alikes, such as yopmail, mean themselves.
var misspelledMail = setOf("gmial.com hotmial.com hotmai.com")

// disposableMail are domains of mailboxes for a day: the ones met most often, for when the published list is not there.
const disposableMail = `
yopmail.com yopmail.fr yopmail.net cool.fr.nf jetable.fr.nf nospam.ze.tc nomail.xl.cx mega.zik.dj speed.1s.fr courriel.fr.nf moncourrier.fr.nf monemail.fr.nf monmail.fr.nf
jetable.org jetable.com jetable.net mail-temporaire.fr mail-temporaire.com mailjetable.com email-jetable.fr tempomail.fr filzmail.com spambox.fr haltospam.com
mailinator.com mailinator.net guerrillamail.com guerrillamail.org guerrillamail.net guerrillamail.biz guerrillamail.de guerrillamailblock.com sharklasers.com grr.la
10minutemail.com 10minutemail.net 20minutemail.com temp-mail.org temp-mail.io tempmail.com tempmail.net tempmailo.com tmpmail.org throwawaymail.com trashmail.com trashmail.net
trash-mail.com maildrop.cc mailcatch.com mailnesia.com getnada.com nada.email mintemail.com mohmal.com dispostable.com emailondeck.com fakeinbox.com discard.email discardmail.com
spamgourmet.com mytemp.email moakt.com burnermail.io minuteinbox.com inboxkitten.com 33mail.com anonbox.net mailsac.com
`

// roles are mailboxes of an office, without separators.
var roles = setOf(`
abonnement abonnements abuse accounting accounts accueil achat achats adherents admin administrateur administratif administration administrator adv agence assistance asso association atelier
billing bonjour boutique bureau
caisse cabinet candidature candidatures commande commandes commercial communication compta comptabilite comptable conseil contact contacts contactez contactus courrier cse customerservice customercare
cuisine clients client collectif
devis direction dpo donotreply
ecole email enquiries entreprise equipe expedition events evenement
facturation facture factures feedback fournisseur fournisseurs finance formation
garage gerance gestion
hello hostmaster help helpdesk hotel hotline hr
info infos information informations inscription inscriptions it
jobs juridique
legal location logistique
magasin mailerdaemon mail mairie management manager marketing media mediation moderation
nepasrepondre newsletter noreply nepasrepondresvp nobody
office officiel orders order
partenariat partenariats partenaires pharmacie planning postmaster presse press privacy production
qualite
reception reclamation reclamations recrutement recruitment redaction relationclient relationsclients reservation reservations resa restaurant retour retours rgpd rh root
sales salon sav secretariat secretaire security service serviceclient serviceclients serviceconsommateurs servicecommercial servicetechnique siege societe standard stock support syndic
team technique travaux
vente ventes voyages
webmaster web welcome
`)
