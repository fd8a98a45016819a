/* SPDX-License-Identifier: MIT */
#ifndef CONSUMER_SYNC_CHAN_H
#define CONSUMER_SYNC_CHAN_H

#define CONSUMER_ANSWER 42

#endif
