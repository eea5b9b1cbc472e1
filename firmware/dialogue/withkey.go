package dialogue

import "slices"

// keyScreens are what a dialogue with the key in the port shows in the states that
// all of these have.
type keyScreens struct {
	insert  screenID // asks for a key
	damaged screenID
	pulled  screenID
}

// withKey adds to a dialogue what all have that work with the key in the port: they
// begin with asking for one, look at it in the state stCheck, and tell what is wrong
// with it. Its states told do so too: OK leads back to asking, another key to a look
// at that.
func withKey(d table, shows keyScreens, told ...state) table {
	d.steps = slices.Concat([]step{
		{state: stInsert, show: shows.insert, port: true},
		{state: stNoKey, show: "read/none", port: true},
	}, d.steps, []step{
		{state: stStrange, show: "read/not-a-key", port: true},
		{state: stDamaged, show: shows.damaged, port: true},
		{state: stPulled, show: shows.pulled, port: true},
	})
	d.moves = slices.Concat([]move{
		{stInsert, evKey, stCheck},
		{stInsert, evNoKey, stNoKey},
		{stCheck, evNoKey, stInsert},
	}, d.moves, []move{
		{anywhere, evStrange, stStrange},
		{anywhere, evDamaged, stDamaged},
		{anywhere, evPulled, stPulled},
	})
	for _, s := range append(told, stNoKey, stStrange, stDamaged, stPulled) {
		d.moves = append(d.moves, move{s, evOK, stInsert}, move{s, evKey, stCheck})
	}
	d.moves = append(d.moves, leave...)
	return d
}
