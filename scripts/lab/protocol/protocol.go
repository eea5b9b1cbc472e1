// Package protocol is what the lab and its agent in the guest say to each
// other. The agent always dials: it keeps one idle connection to the host, says
// [Hello] on it and waits. The host sends one [Request] on the connection and
// reads [Reply] messages until one is Done; the agent has meanwhile dialled the
// next idle connection, so that requests run side by side. Closing a connection
// kills what it started.
//
// Messages are JSON, one a line.
package protocol

import "io/fs"

// Names of the agent's settings on the kernel's command line. The dot keeps the
// kernel from handing them to the agent as arguments.
const (
	ParamHost    = "lab.host"    // address to dial, "10.0.2.2:PORT"
	ParamToken   = "lab.token"   // what Hello must carry
	ParamModules = "lab.modules" // paths of modules to load at boot, in order, separated by commas
)

// Hello opens every connection.
type Hello struct {
	Token   string  `json:"token"`   // proves that the caller is the machine that was booted
	Release string  `json:"release"` // the kernel's release, as uname -r prints it
	Uptime  float64 `json:"uptime"`  // seconds since the kernel started
}

// Op names what a request asks for.
type Op string

// What the agent can do.
const (
	Exec  Op = "exec"  // run Argv; Stdout and Stderr arrive as they are written
	Put   Op = "put"   // write Data to Path, creating its folders
	Get   Op = "get"   // read the file Path
	Await Op = "await" // wait until a path that matches the pattern Path exists, or no longer does
)

// Request is one thing to do.
type Request struct {
	Op      Op          `json:"op"`
	Argv    []string    `json:"argv,omitempty"`
	Env     []string    `json:"env,omitempty"` // added to the agent's own environment
	Dir     string      `json:"dir,omitempty"`
	User    uint32      `json:"user,omitempty"` // user and group to run as
	Data    []byte      `json:"data,omitempty"` // standard input of Exec, content of Put
	Path    string      `json:"path,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	Present bool        `json:"present,omitempty"`
}

// Reply is a part of the answer to a request, and its end if Done.
type Reply struct {
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	Data   []byte `json:"data,omitempty"` // what Get read
	Path   string `json:"path,omitempty"` // what Await found
	Done   bool   `json:"done,omitempty"`
	Code   int    `json:"code,omitempty"`  // exit code; 128+n after signal n
	Error  string `json:"error,omitempty"` // the request could not be carried out
}
