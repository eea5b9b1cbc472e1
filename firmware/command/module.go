package command

// ModuleLoadRequest has the file of a functional module, whole.
type ModuleLoadRequest struct {
	File     []byte `cbor:"1,keyasint"` // at most 2,097,152 bytes
	Authcode []byte `cbor:"2,keyasint"` // 12 bytes
	Client   string `cbor:"3,keyasint"` // version of the host's software, such as 1.0.0
}

// ModuleInfo tells about a functional module.
type ModuleInfo struct {
	Name      string   `cbor:"1,keyasint" json:"name"`
	Version   string   `cbor:"2,keyasint" json:"version"`
	Size      uint     `cbor:"3,keyasint" json:"size"`                         // of its code, bytes
	Digest    []byte   `cbor:"4,keyasint" json:"digest"`                       // of its code, SHA-256
	Functions []string `cbor:"5,keyasint" json:"functions"`                    // that can be called, sorted
	BuiltIn   bool     `cbor:"6,keyasint,omitempty" json:"built_in,omitempty"` // comes with the firmware
}

// ModuleListResponse lists the functional modules by their names.
type ModuleListResponse struct {
	Modules []ModuleInfo `cbor:"1,keyasint" json:"modules"`
}

// ModuleDeleteRequest deletes a functional module.
type ModuleDeleteRequest struct {
	Name string `cbor:"1,keyasint"`
}

// ModuleCallRequest calls a function of a functional module.
type ModuleCallRequest struct {
	Module   string `cbor:"1,keyasint"`
	Function string `cbor:"2,keyasint"`
	Input    []byte `cbor:"3,keyasint"`
}

// ModuleCallResponse has what the function gave.
type ModuleCallResponse struct {
	Output []byte `cbor:"1,keyasint"`
}
