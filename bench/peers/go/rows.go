// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

var rows = map[string]row{
	"unbuffered":            {run: stream(0)},
	"ping_pong":             {run: pingPong},
	"bounded_1_1_cap1":      {run: stream(1)},
	"bounded_1_1_cap10":     {run: stream(10)},
	"bounded_1_1_cap100":    {run: stream(100)},
	"bounded_1_1_cap1000":   {run: stream(1000)},
	"bounded_4_4_cap1":      {run: many(1)},
	"bounded_4_4_cap10":     {run: many(10)},
	"bounded_4_4_cap100":    {run: many(100)},
	"bounded_4_4_cap1000":   {run: many(1000)},
	"select_4_ready":        {run: selectReady},
	"spawn_join":            {run: spawnGroup},
	"spawn_join_1":          {run: spawnOne},
	"pool_empty":            {run: poolEmpty},
	"errgroup":              {run: group(0)},
	"errgroup_limit":        {run: group(2)},
	"limiter_allow":         {run: limiterAllow},
	"semaphore":             {run: semaphorePair},
	"cond_queue_100":        {run: condQueue(100)},
	"counter_striped":       {run: counterStriped},
	"counter_atomic":        {run: counterAtomic},
	"map_get":               {run: mapGet},
	"map_put":               {run: mapPut},
	"context_create_cancel": {run: contextCreate},
	"context_poll":          {run: contextPoll},
	"sleep_1ms_w10":         {run: sleeps(1000, time.Millisecond, 10), fixed: true},
	"sleep_1ms_w100":        {run: sleeps(1000, time.Millisecond, 100), fixed: true},
	"sleep_1ms_w1000":       {run: sleeps(1000, time.Millisecond, 1000), fixed: true},
	"sleep_100us_w1":        {run: sleeps(100, 100*time.Microsecond, 1), fixed: true},
	"sleep_100us_w4":        {run: sleeps(100, 100*time.Microsecond, 4), fixed: true},
	"sleep_100us_w8":        {run: sleeps(100, 100*time.Microsecond, 8), fixed: true},
	"blocked_100k":          {run: blocked, fixed: true, cold: true},
	"cpu_fan_out":           {run: inTurns("cpu_fan_out", fanOut), turns: true},
	"cpu_pool":              {run: inTurns("cpu_pool", cpuPool), turns: true},
}

func sumBelow(n int) uint64 { return uint64(n) * uint64(n-1) / 2 }

// ---- messages

func stream(capacity int) func(t *trial) {
	return func(t *trial) {
		ch := make(chan uint64, capacity)
		var sum uint64
		t.begin()
		go func() {
			for i := 0; i < t.n; i++ {
				ch <- uint64(i)
			}
			close(ch)
		}()
		for v := range ch {
			sum += v
		}
		t.end()
		must(sum == sumBelow(t.n), "sum")
	}
}

const side = 4

func many(capacity int) func(t *trial) {
	return func(t *trial) {
		ch := make(chan uint64, capacity)
		var senders, receivers sync.WaitGroup
		var sum atomic.Uint64
		t.begin()
		senders.Add(side)
		receivers.Add(side)
		for w := 0; w < side; w++ {
			w := w
			go func() {
				defer receivers.Done()
				var own uint64
				for v := range ch {
					own += v
				}
				sum.Add(own)
			}()
			go func() {
				defer senders.Done()
				for i := t.n * w / side; i < t.n*(w+1)/side; i++ {
					ch <- uint64(i)
				}
			}()
		}
		senders.Wait()
		close(ch)
		receivers.Wait()
		t.end()
		must(sum.Load() == sumBelow(t.n), "sum")
	}
}

func pingPong(t *trial) {
	ping, pong := make(chan uint64), make(chan uint64)
	t.begin()
	go func() {
		for v := range ping {
			pong <- v + 1
		}
	}()
	var v uint64
	for i := 0; i < t.n; i++ {
		ping <- v
		v = <-pong
	}
	t.end()
	close(ping)
	must(v == uint64(t.n), "count")
}

const selects = 1024

func selectReady(t *trial) {
	var ch [4]chan uint64
	for i := range ch {
		ch[i] = make(chan uint64, selects)
	}
	a, b, c, d := ch[0], ch[1], ch[2], ch[3]
	var taken [4]int
	for left := t.n; left > 0; left -= selects {
		now := selects
		if left < now {
			now = left
		}
		for i := range ch {
			for len(ch[i]) < selects {
				ch[i] <- uint64(i + 1)
			}
		}
		var wrong uint64
		t.begin()
		for i := 0; i < now; i++ {
			select {
			case v := <-a:
				wrong |= v ^ 1
				taken[0]++
			case v := <-b:
				wrong |= v ^ 2
				taken[1]++
			case v := <-c:
				wrong |= v ^ 3
				taken[2]++
			case v := <-d:
				wrong |= v ^ 4
				taken[3]++
			}
		}
		t.end()
		must(wrong == 0, "value")
	}
	must(taken[0]+taken[1]+taken[2]+taken[3] == t.n, "count")
}

type queue struct {
	mu       sync.Mutex
	notEmpty sync.Cond
	notFull  sync.Cond
	ring     []uint64
	head     int
	len      int
	closed   bool
}

func newQueue(capacity int) *queue {
	q := &queue{ring: make([]uint64, capacity)}
	q.notEmpty.L = &q.mu
	q.notFull.L = &q.mu
	return q
}

func (q *queue) push(v uint64) {
	q.mu.Lock()
	for q.len == len(q.ring) {
		q.notFull.Wait()
	}
	at := q.head + q.len
	if at >= len(q.ring) {
		at -= len(q.ring)
	}
	q.ring[at] = v
	q.len++
	q.mu.Unlock()
	q.notEmpty.Signal()
}

func (q *queue) pop() (uint64, bool) {
	q.mu.Lock()
	for q.len == 0 && !q.closed {
		q.notEmpty.Wait()
	}
	if q.len == 0 {
		q.mu.Unlock()
		return 0, false
	}
	v := q.ring[q.head]
	q.head++
	if q.head == len(q.ring) {
		q.head = 0
	}
	q.len--
	q.mu.Unlock()
	q.notFull.Signal()
	return v, true
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.notEmpty.Broadcast()
}

func condQueue(capacity int) func(t *trial) {
	return func(t *trial) {
		q := newQueue(capacity)
		var sum uint64
		t.begin()
		go func() {
			for i := 0; i < t.n; i++ {
				q.push(uint64(i))
			}
			q.close()
		}()
		for v, ok := q.pop(); ok; v, ok = q.pop() {
			sum += v
		}
		t.end()
		must(sum == sumBelow(t.n), "sum")
	}
}

// ---- tasks

const batch = 100

func total(places *[batch]int) int {
	sum := 0
	for _, p := range places {
		sum += p
	}
	return sum
}

func spawnGroup(t *trial) {
	var places [batch]int
	var wg sync.WaitGroup
	t.begin()
	for left := t.n; left > 0; left -= batch {
		for i := 0; i < batch && i < left; i++ {
			place := &places[i]
			wg.Add(1)
			go func() {
				*place++
				wg.Done()
			}()
		}
		wg.Wait()
	}
	t.end()
	must(total(&places) == t.n, "count")
}

func spawnOne(t *trial) {
	var wg sync.WaitGroup
	ran := 0
	t.begin()
	for i := 0; i < t.n; i++ {
		wg.Add(1)
		go func() {
			ran++
			wg.Done()
		}()
		wg.Wait()
	}
	t.end()
	must(ran == t.n, "count")
}

const (
	poolWorkers  = 2
	poolCapacity = 1000
)

// The quickest that does the job: a channel of functions, counted by the workers, waited for at the
// end.
func poolEmpty(t *trial) {
	jobs := make(chan func(), poolCapacity)
	var wg sync.WaitGroup
	var ran atomic.Int64
	wg.Add(poolWorkers)
	for w := 0; w < poolWorkers; w++ {
		go func() {
			defer wg.Done()
			var own int64
			for job := range jobs {
				job()
				own++
			}
			ran.Add(own)
		}()
	}
	nothing := func() {}
	t.begin()
	for i := 0; i < t.n; i++ {
		jobs <- nothing
	}
	close(jobs)
	wg.Wait()
	t.end()
	must(ran.Load() == int64(t.n), "count")
}

func group(limit int) func(t *trial) {
	return func(t *trial) {
		var places [batch]int
		t.begin()
		for left := t.n; left > 0; left -= batch {
			g, _ := errgroup.WithContext(context.Background())
			if limit > 0 {
				g.SetLimit(limit)
			}
			for i := 0; i < batch && i < left; i++ {
				place := &places[i]
				g.Go(func() error {
					*place++
					return nil
				})
			}
			must(g.Wait() == nil, "error")
		}
		t.end()
		must(total(&places) == t.n, "count")
	}
}

const blockedTasks = 100000

func blocked(t *trial) {
	closed := make(chan struct{})
	var blocked, all sync.WaitGroup
	blocked.Add(blockedTasks)
	all.Add(blockedTasks)
	t.begin()
	for i := 0; i < blockedTasks; i++ {
		go func() {
			blocked.Done()
			<-closed
			all.Done()
		}()
	}
	blocked.Wait()
	t.end()
	start := t.elapsed
	memory := memoryInUse()
	t.elapsed = 0
	t.begin()
	close(closed)
	all.Wait()
	t.end()
	t.figures = []figure{
		{"blocked_100k_start", float64(start.Nanoseconds())},
		{"blocked_100k_memory", memory},
		{"blocked_100k_wake_join", float64(t.elapsed.Nanoseconds())},
	}
}

func memoryInUse() float64 {
	status, err := os.ReadFile("/proc/self/status")
	must(err == nil, "/proc/self/status")
	sum := 0.0
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmPTE:") {
			kilobytes := 0.0
			fmt.Sscanf(line[6:], "%f", &kilobytes)
			sum += kilobytes * 1024
		}
	}
	must(sum > 0, "VmRSS")
	return sum
}

// ---- what tasks share

func limiterAllow(t *trial) {
	limiter := rate.NewLimiter(1e9, 1<<30)
	allowed := 0
	t.begin()
	for i := 0; i < t.n; i++ {
		if limiter.Allow() {
			allowed++
		}
	}
	t.end()
	must(allowed == t.n, "allowed")
}

func semaphorePair(t *trial) {
	s := semaphore.NewWeighted(10)
	ctx := context.Background()
	t.begin()
	for i := 0; i < t.n; i++ {
		if s.Acquire(ctx, 1) != nil {
			break
		}
		s.Release(1)
	}
	t.end()
	must(s.TryAcquire(10), "permits")
}

// A line of its own for each stripe; processors fetch them in pairs.
type stripe struct {
	value atomic.Int64
	_     [120]byte
}

func counterStriped(t *trial) {
	var stripes [2]stripe
	var wg sync.WaitGroup
	t.begin()
	wg.Add(len(stripes))
	for w := range stripes {
		own := &stripes[w].value
		share := t.n*(w+1)/len(stripes) - t.n*w/len(stripes)
		go func() {
			defer wg.Done()
			for i := 0; i < share; i++ {
				own.Add(1)
			}
		}()
	}
	wg.Wait()
	t.end()
	must(stripes[0].value.Load()+stripes[1].value.Load() == int64(t.n), "count")
}

func counterAtomic(t *trial) {
	var counter atomic.Int64
	var wg sync.WaitGroup
	t.begin()
	wg.Add(2)
	for w := 0; w < 2; w++ {
		share := t.n*(w+1)/2 - t.n*w/2
		go func() {
			defer wg.Done()
			for i := 0; i < share; i++ {
				counter.Add(1)
			}
		}()
	}
	wg.Wait()
	t.end()
	must(counter.Load() == int64(t.n), "count")
}

const (
	keys   = 1024
	stride = 617
)

// A read-write mutex and a map: quicker here than sync.Map, which has to make an interface of every
// key and, for a put, memory for every value.
type safeMap struct {
	mu sync.RWMutex
	m  map[uint64]uint64
}

func filled() *safeMap {
	s := &safeMap{m: make(map[uint64]uint64, keys)}
	for key := uint64(0); key < keys; key++ {
		s.m[key] = key + 1
	}
	return s
}

func (s *safeMap) get(key uint64) (uint64, bool) {
	s.mu.RLock()
	v, ok := s.m[key]
	s.mu.RUnlock()
	return v, ok
}

func (s *safeMap) put(key, v uint64) {
	s.mu.Lock()
	s.m[key] = v
	s.mu.Unlock()
}

func mapGet(t *trial) {
	s := filled()
	key := uint64(0)
	right := 0
	t.begin()
	for i := 0; i < t.n; i++ {
		key = (key + stride) % keys
		if v, ok := s.get(key); ok && v == key+1 {
			right++
		}
	}
	t.end()
	must(right == t.n, "values")
}

func mapPut(t *trial) {
	s := filled()
	key := uint64(0)
	t.begin()
	for i := 0; i < t.n; i++ {
		key = (key + stride) % keys
		s.put(key, key+uint64(i))
	}
	t.end()
	v, ok := s.get(key)
	must(ok && v == key+uint64(t.n)-1 && len(s.m) == keys, "last value")
}

func contextCreate(t *trial) {
	cancelled := 0
	t.begin()
	for i := 0; i < t.n; i++ {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if ctx.Err() != nil {
			cancelled++
		}
	}
	t.end()
	must(cancelled == t.n, "cancelled")
}

func contextPoll(t *trial) {
	ctx, cancel := context.WithCancel(context.Background())
	done := 0
	t.begin()
	for i := 0; i < t.n; i++ {
		select {
		case <-ctx.Done():
			done++
		default:
		}
	}
	t.end()
	cancel()
	must(done == 0 && ctx.Err() != nil, "done")
}

// ---- time

func sleeps(n int, span time.Duration, workers int) func(t *trial) {
	return func(t *trial) {
		var wg sync.WaitGroup
		var slept atomic.Int64
		t.begin()
		wg.Add(workers)
		for w := 0; w < workers; w++ {
			share := n*(w+1)/workers - n*w/workers
			go func() {
				defer wg.Done()
				for i := 0; i < share; i++ {
					time.Sleep(span)
				}
				slept.Add(int64(share))
			}()
		}
		wg.Wait()
		t.end()
		must(slept.Load() == int64(n), "sleeps")
	}
}

// ---- work that computes: see bench/targets/rows_cpu.c

const (
	cpuWorkers  = 2
	cpuCapacity = 64
	turns       = 4
	workNs      = 10000
)

type item struct {
	seed   uint64
	rounds int
	answer uint64
}

func compute(it *item) {
	state := it.seed
	answer := uint64(0)
	for i := 0; i < it.rounds; i++ {
		state += 0x9E3779B97F4A7C15
		z := state
		z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
		z = (z ^ (z >> 27)) * 0x94D049BB133111EB
		answer ^= z ^ (z >> 31)
	}
	it.answer = answer
}

func roundsOfWork() int {
	it := &item{rounds: 100000}
	best := time.Second
	for i := 0; i < 10; i++ {
		began := time.Now()
		compute(it)
		if took := time.Since(began); took < best {
			best = took
		}
		it.seed += it.answer
	}
	return it.rounds * workNs / int(best.Nanoseconds())
}

func inTurns(id string, concurrent func(items []item)) func(t *trial) {
	return func(t *trial) {
		n := t.n/turns + 1
		rounds := roundsOfWork()
		items := make([]item, n)
		var serial, parallel time.Duration
		for turn := 0; turn < turns; turn++ {
			for i := range items {
				items[i] = item{seed: uint64(turn*n + i), rounds: rounds}
			}
			began := time.Now()
			for i := range items {
				compute(&items[i])
			}
			serial += time.Since(began)
			sum := uint64(0)
			for i := range items {
				sum += items[i].answer
				items[i].answer = 0
			}
			began = time.Now()
			concurrent(items)
			parallel += time.Since(began)
			for i := range items {
				sum -= items[i].answer
			}
			must(sum == 0, "answers")
		}
		t.elapsed = serial + parallel
		t.figures = []figure{{id, workNs * float64(parallel) / float64(serial)}}
	}
}

func fanOut(items []item) {
	in := make(chan *item, cpuCapacity)
	out := make(chan *item, cpuCapacity)
	var wg sync.WaitGroup
	wg.Add(cpuWorkers)
	for w := 0; w < cpuWorkers; w++ {
		go func() {
			defer wg.Done()
			for it := range in {
				compute(it)
				out <- it
			}
		}()
	}
	go func() {
		for i := range items {
			in <- &items[i]
		}
		close(in)
		wg.Wait()
		close(out)
	}()
	received := 0
	for range out {
		received++
	}
	must(received == len(items), "count")
}

func cpuPool(items []item) {
	jobs := make(chan func(), cpuCapacity)
	var wg sync.WaitGroup
	wg.Add(cpuWorkers)
	for w := 0; w < cpuWorkers; w++ {
		go func() {
			defer wg.Done()
			for job := range jobs {
				job()
			}
		}()
	}
	for i := range items {
		it := &items[i]
		jobs <- func() { compute(it) }
	}
	close(jobs)
	wg.Wait()
}
