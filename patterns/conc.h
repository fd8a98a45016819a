/* SPDX-License-Identifier: MIT */
#ifndef CONC_CONC_H
#define CONC_CONC_H

/*
 * All of conc in one line, for programs that use it as a library: #include <conc/conc.h>. The
 * tree's own sources include what they need, so that the includes of a file tell what it is made
 * of.
 */

/* What runs tasks: tasks, engines, time, random numbers, the list of live tasks, the trace. */
#include "runtime/census.h"
#include "runtime/clock.h"
#include "runtime/config.h"
#include "runtime/engine.h"
#include "runtime/random.h"
#include "runtime/task.h"
#include "runtime/trace.h"

/* What tasks wait on. */
#include "sync/chan.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/fd.h"
#include "sync/mutex.h"
#include "sync/once.h"
#include "sync/rw_mutex.h"
#include "sync/select.h"
#include "sync/semaphore.h"
#include "sync/timer.h"
#include "sync/wait_group.h"
#include "sync/waiter.h"

/* The patterns. */
#include "batcher.h"
#include "bounded_queue.h"
#include "cancellation.h"
#include "counter.h"
#include "dynamic_pool.h"
#include "errgroup.h"
#include "fan_out_fan_in.h"
#include "graceful_shutdown.h"
#include "pipeline.h"
#include "producer_consumer.h"
#include "rate_limiter.h"
#include "retry.h"
#include "safe_map.h"
#include "select.h"
#include "singleflight.h"
#include "timeout.h"
#include "worker_pool.h"

#endif
