package touchscreen

import "time"

// Kind says how a screen looks and what can be answered to it.
type Kind uint8

// Kinds of screens.
const (
	Home     Kind = iota // who the device is and how it is; a touch opens the menu
	List                 // one of Items, or back
	Prompt               // something to do or to read: go on, or cancel
	PIN                  // Min to Max digits that are not shown
	YesNo                // a question
	Number               // a number from Min to Max, first Value
	Progress             // Value percent are done, or 0: nobody knows how much; nothing to answer
	Status               // it went well: go on
	Failure              // it did not: go on
	Off                  // dark, without power: nothing to see and nothing to touch
)

// Screen is what the panel shows: data only, so that it can be drawn, read aloud,
// compared and sent. The zero Screen is an empty home screen.
type Screen struct {
	ID      string    // name in the table of the dialogue that shows it, such as "create/insert"; scripts wait for it
	Kind    Kind      //
	Icon    Icon      // what is drawn above the title; zero: what fits Kind, if anything
	Sticker Sticker   // of the iKey that Icon shows
	Title   string    // one line
	Text    []string  // paragraphs
	Items   []string  // of a List
	Min     int       // least Number, least digits of a PIN
	Max     int       // greatest Number, most digits of a PIN
	Value   int       // of Number and Progress
	Cancel  bool      // there is a way out: what is asked may be refused
	Until   time.Time // device time at which an answer comes too late; zero: it never does
	Unit    Unit      // of Home
}

// Dark is the screen of a device without power.
var Dark = Screen{ID: "off", Kind: Off}

// Sticker is the colour of the sticker on the iKey that Icon shows. It is only to
// remind people: the device cannot see which colour an iKey has.
type Sticker uint8

// Stickers.
const (
	NoSticker Sticker = iota // any iKey
	Blue
	Black
	Red
	White
	Orange
	Grey
	Purple
)

// Icon is what is drawn above the title of a screen.
type Icon uint8

// Icons.
const (
	NoIcon     Icon = iota
	InsertKey       // an iKey on its way into the port
	RemoveKey       // an iKey on its way out of the port
	Identified      // an iKey in the port
	Warning         // something will be lost
)

// Unit is what the home screen tells of the device.
type Unit struct {
	Model    string
	Label    string // empty while there is none
	Serial   string
	Firmware string
	State    string // of the HSM, in words
	Banner   string // what a person must know at once, such as a tamper event; empty: nothing
}

// Action is what a person did.
type Action uint8

// Actions.
const (
	OK     Action = iota // of Home: open the menu
	Yes                  //
	No                   //
	Cancel               // of List: back
)

// Answer is what a person said to a screen.
type Answer struct {
	Action Action
	Item   int    // of a List: index into Items
	Number int    // of a Number
	Digits []byte // of a PIN: ASCII digits; whoever takes the answer wipes them
}
