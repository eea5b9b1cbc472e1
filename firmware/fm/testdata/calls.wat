;; Calls each function of the device once. The input is the label of a key; the
;; output is what came of it: a result of 8 bytes, and whatever was written.
(module $calls
  (import "usbhsm7" "input_size" (func $input_size (result i64)))
  (import "usbhsm7" "input"      (func $input      (param i32 i32 i32) (result i64)))
  (import "usbhsm7" "output"     (func $output     (param i32 i32) (result i64)))
  (import "usbhsm7" "version"    (func $version    (param i32 i32) (result i64)))
  (import "usbhsm7" "log"        (func $log        (param i32 i32) (result i64)))
  (import "usbhsm7" "random"     (func $random     (param i32 i32) (result i64)))
  (import "usbhsm7" "digest"     (func $digest     (param i32 i32 i32 i32 i32) (result i64)))
  (import "usbhsm7" "find_key"   (func $find_key   (param i32 i32 i32) (result i64)))
  (import "usbhsm7" "sign"       (func $sign       (param i32 i32 i32 i32 i32 i32) (result i64)))
  (import "usbhsm7" "verify"     (func $verify     (param i32 i32 i32 i32 i32 i32) (result i64)))
  (import "usbhsm7" "encrypt"    (func $encrypt    (param i32 i32 i32 i32 i32 i32 i32 i32) (result i64)))
  (import "usbhsm7" "decrypt"    (func $decrypt    (param i32 i32 i32 i32 i32 i32 i32 i32) (result i64)))
  (memory 2)
  (data (i32.const 0) "abcabcabcabcabcabcabcabcabcabcab")

  ;; reports a result, with the bytes at 4096 if it is their number
  (func $report (param $result i64) (param $bytes i32)
    (i64.store (i32.const 2048) (local.get $result))
    (drop (call $output (i32.const 2048) (i32.const 8)))
    (if (i32.and (local.get $bytes) (i64.gt_s (local.get $result) (i64.const 0)))
      (then (drop (call $output (i32.const 4096) (i32.wrap_i64 (local.get $result)))))))

  ;; the handle of the key of a class whose label is the input
  (func $key (param $class i32) (result i64)
    (call $find_key (local.get $class) (i32.const 1024)
      (i32.wrap_i64 (call $input (i32.const 0) (i32.const 1024) (i32.const 256)))))

  (func (export "echo") (result i32)
    (call $report (call $input_size) (i32.const 0))
    (call $report (call $input (i32.const 2) (i32.const 4096) (i32.const 65536)) (i32.const 1))
    (i32.const 0))
  (func (export "version") (result i32) (call $report (call $version (i32.const 4096) (i32.const 32)) (i32.const 1)) (i32.const 0))
  (func (export "short") (result i32) (call $report (call $version (i32.const 4096) (i32.const 2)) (i32.const 1)) (i32.const 0))
  (func (export "log") (result i32)
    (call $report (call $log (i32.const 0) (i32.const 3)) (i32.const 0))
    (call $report (call $log (i32.const 0) (i32.const 6)) (i32.const 0))
    (i32.const 0))
  (func (export "random") (result i32) (call $report (call $random (i32.const 4096) (i32.const 32)) (i32.const 1)) (i32.const 0))
  (func (export "digest") (result i32)
    (call $report (call $digest (i32.const 0x250) (i32.const 0) (i32.const 3) (i32.const 4096) (i32.const 64)) (i32.const 1))
    (i32.const 0))
  (func (export "find") (result i32) (call $report (call $key (i32.const 4)) (i32.const 0)) (i32.const 0))

  ;; an HMAC with SHA-256, and whether it is right
  (func (export "mac") (result i32)
    (local $size i64)
    (local.set $size (call $sign (i32.wrap_i64 (call $key (i32.const 4))) (i32.const 0x251) (i32.const 0) (i32.const 3) (i32.const 4096) (i32.const 64)))
    (call $report (local.get $size) (i32.const 1))
    (call $report (call $verify (i32.wrap_i64 (call $key (i32.const 4))) (i32.const 0x251) (i32.const 0) (i32.const 3) (i32.const 4096) (i32.wrap_i64 (local.get $size))) (i32.const 0))
    (call $report (call $verify (i32.wrap_i64 (call $key (i32.const 4))) (i32.const 0x251) (i32.const 0) (i32.const 4) (i32.const 4096) (i32.wrap_i64 (local.get $size))) (i32.const 0))
    (i32.const 0))

  ;; AES-CBC with an IV, and back
  (func (export "cbc") (result i32)
    (local $size i64)
    (local.set $size (call $encrypt (i32.wrap_i64 (call $key (i32.const 4))) (i32.const 0x1082) (i32.const 0) (i32.const 16) (i32.const 0) (i32.const 32) (i32.const 8192) (i32.const 64)))
    (call $report (local.get $size) (i32.const 0))
    (call $report (call $decrypt (i32.wrap_i64 (call $key (i32.const 4))) (i32.const 0x1082) (i32.const 0) (i32.const 16) (i32.const 8192) (i32.wrap_i64 (local.get $size)) (i32.const 4096) (i32.const 64)) (i32.const 1))
    (i32.const 0))

  ;; AES-GCM whose IV the device makes
  (func (export "gcm") (result i32)
    (call $report (call $encrypt (i32.wrap_i64 (call $key (i32.const 4))) (i32.const 0x1087) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 32) (i32.const 4096) (i32.const 128)) (i32.const 1))
    (i32.const 0)))
