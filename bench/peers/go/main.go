// SPDX-License-Identifier: MIT

// The workloads of bench/targets in Go: targets-go ROW [--ms N] measures one of them once, with as
// many processors as GOMAXPROCS says, checks its result and prints its figures.
package main

import (
	"fmt"
	"os"
	"sort"
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
	cold  bool // the first run of a process is the one that counts: memory is its subject
	turns bool // it takes turns itself, and has a figure of its own
}

const slices = 5
const warmUps = 3 // the runs of a fixed size before the one that counts

func (r row) once(id string, n int) *trial {
	t := &trial{n: n}
	r.run(t)
	if t.figures == nil {
		ops := float64(n)
		if r.fixed {
			ops = 1
		}
		t.figures = []figure{{id, float64(t.elapsed.Nanoseconds()) / ops}}
	}
	return t
}

// quickest is the least time of a few runs, fewer when one is less than enough.
func (r row) quickest(id string, n int, enough time.Duration) time.Duration {
	best := r.once(id, n).elapsed
	for i := 1; i < slices && best >= enough; i++ {
		if took := r.once(id, n).elapsed; took < best {
			best = took
		}
	}
	return best
}

// measure runs a row as bench/targets/trial.c does.
func measure(id string, r row, ms int) []figure {
	if r.fixed {
		for i := 0; i < warmUps && !r.cold; i++ {
			r.once(id, 0)
		}
		return r.once(id, 0).figures
	}
	wanted := time.Duration(ms) * time.Millisecond
	n := 64
	took := r.quickest(id, n, wanted/10)
	for took < wanted/10 {
		n *= 2
		took = r.quickest(id, n, wanted/10)
	}
	k := slices
	if r.turns {
		k = 1
		wanted *= 4
	}
	if slice := wanted / time.Duration(k); took < slice {
		n = int(float64(n) * float64(slice) / float64(took))
	}
	values := make([]float64, k)
	for i := range values {
		values[i] = r.once(id, n).figures[0].value
	}
	sort.Float64s(values)
	return []figure{{id, values[k/2]}}
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
