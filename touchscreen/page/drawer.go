package page

// Drawer is where the iKeys lie, and the port that they are plugged into. Its
// methods are called from several goroutines at once.
type Drawer interface {
	// Keys returns all keys, the one in the port among them.
	Keys() []Key
	// Insert plugs a key in. The error is shown to the person.
	Insert(name string) error
	// Remove pulls out what is in the port.
	Remove() error
	// Make adds a blank key with a sticker of one of Colours.
	Make(name, colour string) error
	// Changed returns a channel that is closed when Keys may next return
	// something else.
	Changed() <-chan struct{}
}

// Key is an iKey as a person sees it.
type Key struct {
	Name   string `json:"name"`   // written on the sticker
	Colour string `json:"colour"` // of the sticker: one of Colours
	Note   string `json:"note"`   // such as "lost"; empty: nothing
	InPort bool   `json:"inPort"`
	Out    bool   `json:"out"` // cannot be plugged in, such as a lost key
}

// Colours are those of the stickers.
var Colours = []string{"blue", "black", "red", "white", "orange", "grey", "purple"}
