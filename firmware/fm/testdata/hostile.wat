;; Everything that a module must not get away with.
(module $hostile
  (import "usbhsm7" "input"  (func $input  (param i32 i32 i32) (result i64)))
  (import "usbhsm7" "output" (func $output (param i32 i32) (result i64)))
  (import "usbhsm7" "random" (func $random (param i32 i32) (result i64)))
  (import "usbhsm7" "log"    (func $log    (param i32 i32) (result i64)))
  (memory 1)

  (func (export "spin") (result i32) (loop $again (br $again)) (i32.const 0))

  ;; 2 ^ 200 calls, without a loop and without a deep stack
  (func $double (param $n i32)
    (if (local.get $n) (then
      (call $double (i32.sub (local.get $n) (i32.const 1)))
      (call $double (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "double") (result i32) (call $double (i32.const 200)) (i32.const 0))

  (func $dive (call $dive))
  (func (export "dive") (result i32) (call $dive) (i32.const 0))

  ;; takes memory until there is none, and tells how many pages there were
  (func (export "grow") (result i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (i32.store (i32.const 0) (memory.size))
    (drop (call $output (i32.const 0) (i32.const 4)))
    (i32.const 0))

  (func (export "load") (result i32) (i32.load (i32.const 65536)))
  (func (export "take") (result i32) (drop (call $output (i32.const 65530) (i32.const 100))) (i32.const 0))
  (func (export "put") (result i32) (drop (call $random (i32.const -1) (i32.const -1))) (i32.const 0))
  (func (export "input") (result i32) (drop (call $input (i32.const -1) (i32.const 65530) (i32.const 100))) (i32.const 0))

  (func (export "flood") (result i32) (loop $again (drop (call $output (i32.const 0) (i32.const 65536))) (br $again)) (i32.const 0))
  (func (export "ask") (result i32) (loop $again (drop (call $random (i32.const 0) (i32.const 1))) (br $again)) (i32.const 0))
  (func (export "chatter") (result i32) (loop $again (drop (call $log (i32.const 0) (i32.const 100))) (br $again)) (i32.const 0))

  (func (export "fail") (result i32) unreachable)
  (func (export "refuse") (result i32) (i32.const 7))

  ;; tells whether an earlier call has left something
  (func (export "remember") (result i32)
    (drop (call $output (i32.const 100) (i32.const 4)))
    (i32.store (i32.const 100) (i32.const 0x12345678))
    (i32.const 0))

  ;; has parameters: nobody can call it
  (func (export "parameters") (param i32) (result i32) (i32.const 0)))
