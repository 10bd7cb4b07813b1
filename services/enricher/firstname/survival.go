package firstname

// Survivors of 100,000 at every fifth age, by the French tables TF 00-02 (women) and TH 00-02 (men), which INSEE made from the deaths of 2000 to 2002
// (Code des assurances, annex to article A. 335-1). It is one table for all generations: of those born before the war fewer live than it says, of
// the young more. For telling which bands of age a name belongs to that is enough.
var survivors = [sexes][]float64{
	female: {
		100_000, 99_531, 99_478, 99_415, 99_274, 99_103, 98_921, 98_662, 98_242, 97_563, 96_546, 95_180, 93_329, 90_797, 87_010, 80_998, 71_088, 54_828,
		32_821, 13_618, 3_185, 314, 9, 0,
	},
	male: {
		100_000, 99_406, 99_338, 99_250, 98_921, 98_406, 97_870, 97_249, 96_369, 94_952, 92_736, 89_665, 85_538, 79_926, 72_019, 61_239, 47_390, 30_575,
		14_464, 4_331, 663, 39, 1, 0,
	},
}

// survival is the share of people of a sex who reach an age; straight lines join the ages of the table.
func survival(sex, age int) float64 {
	table := survivors[sex]
	i, rest := age/5, age%5
	if age < 0 || i >= len(table)-1 {
		return 0
	}
	return (table[i]*float64(5-rest) + table[i+1]*float64(rest)) / 5 / table[0]
}
