package dialogue

const (
	stAsk  state = "ask"
	stShow state = "show"
)

// confirmTable asks a person to allow something.
var confirmTable = table{
	name:  "confirm",
	about: "A person allows something, or does not.",
	steps: []step{{state: stAsk, show: "confirm"}},
	moves: append([]move{{stAsk, evYes, endDone}, {stAsk, evNo, endCancel}}, away...),
}

// revealTable shows a secret.
var revealTable = table{
	name:  "reveal",
	about: "Shows a challenge secret until a person has taken note of it.",
	steps: []step{{state: stShow, show: "reveal"}},
	moves: append([]move{{stShow, evOK, endDone}}, away...),
}
