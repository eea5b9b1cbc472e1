package main

import (
	"context"
	"crypto"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// rate is what bench prints.
type rate struct {
	Key        string  `json:"key"`
	Callers    int     `json:"callers"`
	Signatures int     `json:"signatures"`
	Seconds    float64 `json:"seconds"`
	PerSecond  float64 `json:"per_second"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
}

func (a *app) benchCommand() *cobra.Command {
	var (
		key      string
		callers  int
		duration time.Duration
	)
	cmd := &cobra.Command{
		Use: "bench --key LABEL", Short: "Measure how many signatures a second a key makes", GroupID: "key",
		Example: "  hsm7 bench --key root --callers 8 --duration 2s",
		Args: func(cmd *cobra.Command, args []string) error {
			if callers < 1 || callers > 1024 || duration <= 0 {
				return usagef("--callers must be 1 to 1024 and --duration above 0")
			}
			return noArgs(cmd, args)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "label of the key")
	cmd.Flags().IntVar(&callers, "callers", 8, "how many sign at the same time")
	cmd.Flags().DurationVar(&duration, "duration", 2*time.Second, "how long")
	return a.asRole(command.RoleCO, cmd, func(ctx context.Context, s *hostdrv.Session, _ []string) error {
		signer, err := a.signer(ctx, s, key)
		if err != nil {
			return err
		}
		result, err := measure(ctx, signer, callers, duration)
		if err != nil {
			return err
		}
		result.Key = key
		return a.print(result, func(w io.Writer) {
			fmt.Fprintf(w, "%d signatures in %.1f s with %d callers: %.0f a second, p50 %.2f ms, p99 %.2f ms\n",
				result.Signatures, result.Seconds, result.Callers, result.PerSecond, result.P50, result.P99)
		})
	})
}

// measure has each caller sign one digest after the other until the time is up.
func measure(ctx context.Context, signer *hostdrv.Signer, callers int, duration time.Duration) (rate, error) {
	var (
		digest = sha256.Sum256([]byte("hsm7 bench"))
		times  = make([][]float64, callers)
		errs   = make([]error, callers)
		start  = time.Now()
		all    sync.WaitGroup
	)
	for i := range callers {
		all.Go(func() {
			for errs[i] == nil && time.Since(start) < duration {
				begin := time.Now()
				_, errs[i] = signer.SignContext(ctx, digest[:], crypto.SHA256)
				times[i] = append(times[i], float64(time.Since(begin).Microseconds())/1000)
			}
		})
	}
	all.Wait()
	seconds := time.Since(start).Seconds()
	for _, err := range errs {
		if err != nil {
			return rate{}, err
		}
	}
	sorted := slices.Concat(times...)
	slices.Sort(sorted)
	return rate{
		Callers: callers, Signatures: len(sorted), Seconds: seconds, PerSecond: float64(len(sorted)) / seconds,
		P50: sorted[len(sorted)/2], P99: sorted[len(sorted)*99/100],
	}, nil
}
