;; Signs orders, and nothing else: its input must begin with "order ". The key is the
;; private key with the label "orders", which must sign with ECDSA and SHA-256.
(module $orders
  (import "usbhsm7" "input"    (func $input    (param i32 i32 i32) (result i64)))
  (import "usbhsm7" "output"   (func $output   (param i32 i32) (result i64)))
  (import "usbhsm7" "log"      (func $log      (param i32 i32) (result i64)))
  (import "usbhsm7" "find_key" (func $find_key (param i32 i32 i32) (result i64)))
  (import "usbhsm7" "sign"     (func $sign     (param i32 i32 i32 i32 i32 i32) (result i64)))

  (memory 1)
  (data (i32.const 0)  "order ")
  (data (i32.const 16) "orders")
  (data (i32.const 32) "an order was signed")

  (func (export "sign") (result i32)
    (local $size i64) (local $key i64) (local $i i32)
    ;; the input goes to 1024, at most 4096 bytes of it
    (local.set $size (call $input (i32.const 0) (i32.const 1024) (i32.const 4096)))
    ;; the first six bytes must be those at 0
    (loop $compare
      (if (i32.ne (i32.load8_u (local.get $i)) (i32.load8_u (i32.add (local.get $i) (i32.const 1024))))
        (then (return (i32.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $compare (i32.lt_u (local.get $i) (i32.const 6))))
    (local.set $key (call $find_key (i32.const 3) (i32.const 16) (i32.const 6)))
    (if (i64.lt_s (local.get $key) (i64.const 0))
      (then (return (i32.const 2))))
    ;; the signature goes to 8192
    (local.set $size (call $sign (i32.wrap_i64 (local.get $key)) (i32.const 0x1044)
      (i32.const 1024) (i32.wrap_i64 (local.get $size)) (i32.const 8192) (i32.const 256)))
    (if (i64.lt_s (local.get $size) (i64.const 0))
      (then (return (i32.const 3))))
    (drop (call $output (i32.const 8192) (i32.wrap_i64 (local.get $size))))
    (drop (call $log (i32.const 32) (i32.const 19)))
    (i32.const 0)))
