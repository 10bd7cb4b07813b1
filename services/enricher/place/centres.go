package place

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/parcours-cdp/parcours/services/enricher/internal/sheet"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Point is a place on the globe, in degrees.
type Point struct{ Latitude, Longitude float64 }

// earthRadius is the mean one, in km.
const earthRadius = 6371.0088

// Distance is the length of the great circle between two points, in km.
func Distance(a, b Point) float64 {
	const degree = math.Pi / 180
	latitude, longitude := (b.Latitude-a.Latitude)*degree/2, (b.Longitude-a.Longitude)*degree/2
	h := math.Sin(latitude)*math.Sin(latitude) + math.Cos(a.Latitude*degree)*math.Cos(b.Latitude*degree)*math.Sin(longitude)*math.Sin(longitude)
	return 2 * earthRadius * math.Asin(math.Sqrt(min(h, 1)))
}

// Centres are the centres of the communes.
type Centres struct{ points map[string]Point }

// Of is the centre of a commune by its INSEE code.
func (c *Centres) Of(code string) (Point, bool) {
	if c == nil {
		return Point{}, false
	}
	p, ok := c.points[code]
	return p, ok
}

// Names of the columns in the files of La Poste and of data.gouv.fr.
var (
	centreCode      = []string{"code_commune_insee", "#Code_commune_INSEE", "code_insee", "insee", "CODGEO", "code"}
	centrePoint     = []string{"coordonnees_geographiques", "coordonnees_gps", "_geopoint", "geo_point_2d", "geopoint"}
	centreLatitude  = []string{"latitude", "latitude_centre", "latitude_mairie", "lat", "y"}
	centreLongitude = []string{"longitude", "longitude_centre", "longitude_mairie", "lon", "lng", "long", "x"}
)

func centresDataset() reference.Dataset {
	return reference.Dataset{
		Name:      CentresData,
		What:      "centre of each commune, for distances between customers and shops",
		Publisher: "La Poste (base officielle des codes postaux), or data.gouv.fr (communes de France)",
		Licence:   "Licence Ouverte 2.0",
		Where: "Download laposte_hexasmal.csv (020-laposte_hexasmal.csv, 019HexaSmal.csv) from datanova.laposte.fr, or communes-departement-region.csv or " +
			"communes-france-*.csv from data.gouv.fr.",
		Files: []string{"*hexasmal*.csv", "communes-departement-region*.csv", "communes-france*.csv"},
		Least: 30_000,
		Load:  loadCentres,
	}
}

func loadCentres(files []reference.File) (reference.Loaded, error) {
	file := files[len(files)-1]
	data, err := os.ReadFile(file.Path)
	if err != nil {
		return reference.Loaded{}, err
	}
	c, err := parseCentres(data)
	if err != nil {
		return reference.Loaded{}, fmt.Errorf("%s: %w", file.Name, err)
	}
	return reference.Loaded{Table: c, Rows: len(c.points)}, nil
}

// parseCentres reads one point for each commune: the first of several lines, one for each postcode. Lines without a point are left out.
func parseCentres(data []byte) (*Centres, error) {
	table, err := sheet.Parse(data)
	if err != nil {
		return nil, err
	}
	code, point := table.Column(centreCode...), table.Column(centrePoint...)
	latitude, longitude := table.Column(centreLatitude...), table.Column(centreLongitude...)
	if code < 0 || point < 0 && (latitude < 0 || longitude < 0) {
		return nil, fmt.Errorf("there is no column with the code of the commune (%s) or with the centre (%s, or latitude and longitude)", centreCode[0], centrePoint[0])
	}
	c := &Centres{points: make(map[string]Point, len(table.Rows))}
	for _, row := range table.Rows {
		first, second := row.Value(latitude), row.Value(longitude)
		if point >= 0 {
			first, second, _ = strings.Cut(strings.Trim(row.Value(point), "[]()"), ",")
			if second == "" {
				first, second, _ = strings.Cut(first, "/")
			}
		}
		if first == "" || second == "" {
			continue
		}
		p, err := ParsePoint(first, second)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", row.Line, err)
		}
		key := padded(row.Value(code))
		if _, known := c.points[key]; !known {
			c.points[key] = p
		}
	}
	return c, nil
}

// ParsePoint reads latitude and longitude, with a point or a comma before the decimals.
func ParsePoint(latitude, longitude string) (Point, error) {
	north, err := degrees(latitude, 90)
	if err != nil {
		return Point{}, fmt.Errorf("latitude %w", err)
	}
	east, err := degrees(longitude, 180)
	if err != nil {
		return Point{}, fmt.Errorf("longitude %w", err)
	}
	return Point{Latitude: north, Longitude: east}, nil
}

func degrees(text string, most float64) (float64, error) {
	d, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(text), ",", ".", 1), 64)
	if err != nil || math.IsNaN(d) || d < -most || d > most {
		return 0, fmt.Errorf("is %q: give degrees from -%g to %g", text, most, most)
	}
	return d, nil
}
