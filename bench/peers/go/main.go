// SPDX-License-Identifier: MIT

// The workloads of bench/targets in Go: targets-go ROW [--ms N] measures one of them once, with as
// many processors as GOMAXPROCS says, checks its result and prints its figures.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// A trial is one run of a row: n operations, timed between begin and end.
type trial struct {
	n       int
	began   time.Time
	elapsed time.Duration
	figures []figure // of a row that gives other figures than time per operation
}

type figure struct {
	id    string
	value float64
}

func (t *trial) begin() { t.began = time.Now() }
func (t *trial) end()   { t.elapsed += time.Since(t.began) }

func must(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, "targets-go: wrong:", what)
		os.Exit(1)
	}
}

type row struct {
	run   func(t *trial)
	fixed bool // it has a size; else it is run until it takes long enough
}

// measure runs a row as bench/targets/trial.c does.
func measure(id string, r row, ms int) []figure {
	t := &trial{n: 64}
	ops := 1.0
	if r.fixed {
		r.run(t)
	} else {
		wanted := time.Duration(ms) * time.Millisecond
		for {
			r.run(t)
			if t.elapsed >= wanted/5 {
				break
			}
			t = &trial{n: t.n * 2}
		}
		n := t.n
		if t.elapsed < wanted {
			n = int(float64(n) * float64(wanted) / float64(t.elapsed))
		}
		t = &trial{n: n}
		r.run(t)
		ops = float64(n)
	}
	if t.figures != nil {
		return t.figures
	}
	return []figure{{id, float64(t.elapsed.Nanoseconds()) / ops}}
}

func usage(message string) {
	fmt.Fprintln(os.Stderr, "targets-go:", message)
	os.Exit(2)
}

func main() {
	ms := 50
	args := os.Args[1:]
	if len(args) == 3 && args[1] == "--ms" {
		n, err := strconv.Atoi(args[2])
		if err != nil || n < 1 {
			usage("--ms: a number of milliseconds is needed")
		}
		ms = n
		args = args[:1]
	}
	if len(args) != 1 {
		usage("usage: targets-go ROW [--ms N]")
	}
	r, ok := rows[args[0]]
	if !ok {
		usage("no row '" + args[0] + "'")
	}
	for _, f := range measure(args[0], r, ms) {
		fmt.Printf("%s %.4f\n", f.id, f.value)
	}
}
