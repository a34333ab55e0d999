/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of the protocol that module/ carries out between operations on a file, leases on it and their fences,
 * for spin to try every order of steps. One file, of which one granule matters; HOLDERS leases on it, each with a
 * device behind it; two operations that free the granule's block; deadlines that may come at any moment; a signal
 * that may kill an operation wherever it waits.
 *
 * A step is atomic where the module holds one spinlock or the step is one access. Names after "=" say which
 * function of module/ a step stands for.
 *
 *   -DHOLDERS=N		leases
 *   -DFIRST=op -DSECOND=op	early, gate or last: by which hook an operation is heard of; none: there is none
 *   -DACQUIRES=N -DREARMS=N	how often each holder may do so
 *   -DHELD			holders begin with a lease, mapped; otherwise with nothing
 *   -DSILENT		the second holder does nothing: its device goes on
 *   -DKILL			the first operation may be killed
 *   -DUNCONFIRMED		a device may not confirm a fence, any number of times
 *
 * Invariants
 *   I1	no device reaches a block that was freed: asserted when a block is freed and when one is mapped
 *   I3	an operation pays one grace: asserted when it begins to wait for another
 *   I4	a holder is fenced before its deadline only if it gave way; an operation that asks never comes as an
 *	EMERGENCY: asserted at the fence and at the last resort
 *   I6	what was fenced is mapped again only under a new generation: asserted when it is mapped
 *   I10	an operation goes on only when no device reaches the granule: asserted when it does
 * and nobody waits for ever: spin reports a state in which nothing can go on.
 *
 * Each WITHOUT_ macro leaves one step of the module out; the suite demands that spin then finds which invariant it
 * was there for.
 */

#ifndef HOLDERS
#define HOLDERS 2
#endif
#ifndef ACQUIRES
#define ACQUIRES 1
#endif
#ifndef REARMS
#define REARMS 0
#endif

/* States of a lease (module/state.c): GONE is not published, or RELEASED */
mtype = { GONE, ACQUIRING, ACTIVE, BREAKING, REVOKED };

/* ---- the file ---- */
byte block = 1;			/* the granule's; 0: a hole */
byte handed_out = 1;		/* so many blocks have been, and none again */
bool i_rwsem;
bool invalidate_lock;
bool barred[2];			/* dl_gate.ops: by operation */

/* ---- leases: struct daxlease ---- */
mtype state[HOLDERS] = GONE;
bool dead[HOLDERS];		/* an operation came while ACQUIRING */
bool lost[HOLDERS];
bool doomed[HOLDERS];
bool rearming[HOLDERS];
bool rearm_dead[HOLDERS];
bool releasing[HOLDERS];
bool closed[HOLDERS];		/* nobody listens: dl_queue.closed */
byte recorded[HOLDERS];		/* extents: the block */
byte generation[HOLDERS];
bool fence_lock[HOLDERS];
byte breaks[HOLDERS];		/* ids handed out; only compared within a lease */
byte brk[HOLDERS];		/* dl_break.id, 0: none open */
bool due[HOLDERS];		/* the deadline has passed */
bool given_way[HOLDERS];	/* the holder has, in this break: for I4 only */
bool emergency[HOLDERS];
bool working[HOLDERS];		/* the deadline work runs, and has a reference */
byte waiting[3];		/* dl_waiter.live: leases that an operation waits for; FS: the filesystem on its page */

/* ---- devices ---- */
byte mapped[HOLDERS];		/* the block that the device reaches; 0: none */
bool stopped[HOLDERS];		/* the consumer's own note that the granule is fenced */
byte fenced_in[HOLDERS];	/* generation in which it was: for I6 only */

bool killed[2];
byte graces[2];			/* waited for, by operation: for I3 only */

/* = dl_lease_live_in() */
#define live(h)		(!lost[h] && (state[h] == ACTIVE || state[h] == BREAKING))
#if HOLDERS > 1
#define clear()		(!live(0) && !live(1))
#define unreachable(b)	(mapped[0] != (b) && mapped[1] != (b))
#define stopped_all()	(mapped[0] == 0 && mapped[1] == 0)
#define breaking()	(brk[0] || brk[1])
#else
#define clear()		(!live(0))
#define unreachable(b)	(mapped[0] != (b))
#define stopped_all()	(mapped[0] == 0)
#define breaking()	(brk[0])
#endif
#define bar()		(barred[0] || barred[1])
#define FS		2

/* = dl_waiter_begin(); a filesystem sleeps on a page of the gate as long as its count is not 0 */
#if HOLDERS > 1
#define waiter_begin(w)	waiting[w] = (live(0) -> 1 : 0) + (live(1) -> 1 : 0)
#else
#define waiter_begin(w)	waiting[w] = (live(0) -> 1 : 0)
#endif

/* = dl_waiter_lost(): a lease that was live is not; who waits for the last one goes on */
inline count_out(w)
{
	if
	:: waiting[w] > 0 ->
#ifdef WITHOUT_COUNT
		waiting[w] = 0
#else
		waiting[w]--
#endif
	:: else
	fi
}

/* = fence_pass(), the granule: lost, and whoever waits for it is told */
inline lose(h)
{
	lost[h] = true;
	count_out(0);
	count_out(1);
#ifndef WITHOUT_PAGE_PUT
	count_out(FS)
#endif
}

/* The first access to a hole; a page fault, which holds the invalidate lock shared: = dl_populate(), dl_resolve() */
inline populate()
{
	if
	:: block == 0 -> handed_out++; block = handed_out
	:: else
	fi
}

/* = dl_break_start(), gate lock held; by operation @op; @unasked: from the last resort */
inline break_start(h, op, unasked)
{
	if
	:: state[h] == ACQUIRING -> dead[h] = true
	:: else ->
		if
		:: rearming[h] -> rearm_dead[h] = true
		:: else
		fi;
		if
		:: live(h) ->
			if
			:: brk[h] == 0 ->
				breaks[h]++;
				brk[h] = breaks[h];
				state[h] = BREAKING;
				emergency[h] = unasked;
				due[h] = unasked || closed[h];	/* no grace: nobody would use it */
				new_grace = new_grace || !due[h]
			:: else ->				/* joined: the same deadline */
				emergency[h] = emergency[h] || unasked;
				due[h] = due[h] || unasked
			fi;
			doomed[h] = true
		:: else
		fi
	fi
}

/* = dl_gate_break(): all at once, so that one grace is paid */
inline gate_break(op, unasked)
{
	break_start(0, op, unasked);
#if HOLDERS > 1
	break_start(1, op, unasked);
#endif
	if
	:: new_grace -> graces[op]++; new_grace = false
	:: else
	fi;
	assert(graces[op] <= 1)		/* I3 */
}

/* = dl_fence(); @id as there; ok: confirmed */
inline fence(h, id)
{
	d_step { !fence_lock[h] -> fence_lock[h] = true };
	ok = true;
	if
	:: d_step { id != 0 && brk[h] != id -> fence_lock[h] = false; ok = false }
	:: id == 0 || brk[h] == id;
		if
		:: d_step { doomed[h] ->
#ifdef WITHOUT_FENCE_BEFORE_WAKE
			lose(h);
#endif
			skip };
			/* = fence_pass(), gate lock dropped: the consumer unmaps, and says whether that is confirmed */
			atomic {
				assert(given_way[h] || due[h] || emergency[h] || releasing[h]);	/* I4 */
				if
				:: stopped[h] = true; mapped[h] = 0; fenced_in[h] = generation[h]
#ifdef UNCONFIRMED
				:: mapped[h] != 0 -> stopped[h] = true; ok = false
#endif
				fi
			};
#ifdef WITHOUT_CONFIRMATION
			ok = true;
#endif
		:: else
		fi;
		/* gate lock again: state, sleepers, waiters */
		d_step {
			if
			:: ok ->
				if
				:: doomed[h] ->
#ifndef WITHOUT_FENCE_BEFORE_WAKE
					lose(h);
#endif
					doomed[h] = false
				:: else
				fi;
				/* = dl_break_close() */
				if
				:: brk[h] != 0 ->
					brk[h] = 0; state[h] = REVOKED;
					given_way[h] = false; due[h] = false; emergency[h] = false
				:: else
				fi;
				if
				:: releasing[h] ->
					state[h] = GONE;
					stopped[h] = false; lost[h] = false; closed[h] = false
				:: else
				fi
			:: else
			fi;
			fence_lock[h] = false;
			ok = false
		}
	fi
}

/* An operation that frees the block: @how it is heard of */
#define early	1
#define gate	2
#define last	3
#define none	0

proctype Operation(byte op; byte how)
{
	bool new_grace, ok, sleeps;
	byte on;		/* the lease that the last resort looks at */

	/* = party_begin(): record, bar, and break of everything in the range */
	if
	:: how == early ->
		d_step {
#ifndef WITHOUT_BAR
			barred[op] = true;
#endif
			gate_break(op, false)
		};
		/* = dl_gate_wait(): no lock is held */
look:		skip;
		d_step {
			waiter_begin(op);
			sleeps = waiting[op] != 0;
			assert(sleeps || stopped_all())				/* I10 */
		};
		if
		:: sleeps ->
			if
			:: waiting[op] == 0
			:: killed[op] -> waiting[op] = 0; goto out
			fi;
#ifndef WITHOUT_SECOND_CHECK
			goto look
#endif
		:: else
		fi
	:: else
	fi;

	d_step { !i_rwsem -> i_rwsem = true };
	d_step { !invalidate_lock -> invalidate_lock = true };
	if
	:: how != last ->
again:	skip;
		/* = gate_busy_page(): the page of an earlier waiter, break, a page to sleep on */
		d_step {
			gate_break(op, false);
			waiter_begin(FS);
			sleeps = waiting[FS] != 0
		};
		if
		:: sleeps ->
			invalidate_lock = false;
			if
			:: waiting[FS] == 0
			:: killed[op] -> i_rwsem = false; goto out	/* the page is left to whoever comes next */
			fi;
			d_step { !invalidate_lock -> invalidate_lock = true };
#ifndef WITHOUT_SECOND_CHECK
			goto again
#endif
		:: else
		fi;
		assert(stopped_all())						/* I10 */
	:: else
	fi;

	/* = last_resort(): the pages are about to go. An operation that was heard of before has nothing left to fence */
	on = 0;
	do
	:: on < HOLDERS ->
		if
		:: d_step { state[on] == ACQUIRING || rearming[on] || live(on) ->
			assert(how == last || !live(on));		/* I4 */
			gate_break(op, true) };
			do
			:: live(on) -> fence(on, 0)			/* = dl_fence_insist() */
			:: else -> break
			od
		:: else
		fi;
		on++
	:: else -> break
	od;

	atomic {
		assert(block == 0 || unreachable(block));		/* I1 */
		block = 0
	};
	invalidate_lock = false;
	i_rwsem = false;
out:
	barred[op] = false						/* = dl_op_end() */
}

/* = deadline_work(): the deadline passes at any time, and then somebody fences */
proctype Deadline(byte h)
{
	byte id;
	bool ok;

end:
	do
	:: d_step { brk[h] != 0 -> id = brk[h]; due[h] = true; working[h] = true };
		fence(h, id);
		d_step { id = 0; working[h] = false }
	:: d_step { releasing[h] && doomed[h] -> working[h] = true };			/* = retry_later() of dl_lease_end() */
		fence(h, 0);
		working[h] = false
	od
}

/*
 * = dl_acquire_lock_inode(): no plain down_write(), since a filesystem may hold i_rwsem while it waits for this very
 * holder. taken: false is -EAGAIN.
 */
inline lock_inode()
{
	if
	:: d_step { !i_rwsem -> i_rwsem = true; taken = true }
	:: i_rwsem && breaking() -> taken = false
	fi
}

proctype Holder(byte h)
{
	byte acquires, rearms, seen, fresh;
	bool taken, ok;

#ifdef HELD
	acquires = ACQUIRES;
	goto hold;
#endif
	/* ---- = dl_acquire() ---- */
acquire:
	if
	:: acquires == ACQUIRES -> goto gone
	:: acquires < ACQUIRES -> acquires++
	fi;
retry:	skip;
#ifndef WITHOUT_BAR
	!bar();								/* = wait_for_bars() */
#endif
	d_step { !invalidate_lock -> populate() };
	lock_inode();
	if
	:: !taken -> goto gone
	:: taken -> taken = false
	fi;
	/* = publish() */
	if
	:: d_step { bar() -> i_rwsem = false };
		goto retry
	:: d_step { !bar() -> state[h] = ACQUIRING; releasing[h] = false; generation[h] = 1; fenced_in[h] = 0 }
	fi;
	!invalidate_lock;						/* = dl_acquire_unlock_inode() */
	i_rwsem = false;
	d_step { !invalidate_lock -> populate(); recorded[h] = block };	/* = record() */
	/* = activate() */
	if
	:: d_step {
#ifdef WITHOUT_DEAD_MARK
		false &&
#endif
		dead[h] -> state[h] = GONE; dead[h] = false; recorded[h] = 0 };
		goto retry
	:: d_step {
#ifndef WITHOUT_DEAD_MARK
		!dead[h] &&
#endif
		true -> state[h] = ACTIVE; dead[h] = false }
	fi;

	/* ---- = daxlease_attach(): it is told what is lost already; then the consumer maps what it was not told of ---- */
	d_step { !fence_lock[h] ->
#ifndef WITHOUT_TELLING_NEWCOMERS
		stopped[h] = lost[h]
#else
		stopped[h] = false
#endif
	};
	d_step {
		if
		:: !stopped[h] ->
			assert(recorded[h] == block);			/* I1 */
			mapped[h] = recorded[h]
		:: else
		fi
	};

hold:	/* ---- whatever a holder may do; the device goes on as long as nothing stops it ---- */
	do
	:: d_step { brk[h] != 0 -> seen = brk[h] }			/* reads the event */
	/* = dl_do_ack(), perhaps long after */
	:: seen != 0 ->
		if
		:: d_step { brk[h] == seen -> given_way[h] = true };
			fence(h, seen)
#ifdef WITHOUT_BREAK_IDS
		:: brk[h] != 0 && brk[h] != seen -> fence(h, 0)
#endif
		:: brk[h] != seen
		fi;
		seen = 0
	/* ---- = dl_rearm() ---- */
	:: d_step { rearms < REARMS && lost[h] && brk[h] == 0 -> rearms++ };
		if
		:: bar() -> goto next					/* = may_rearm(): -EAGAIN */
		:: !bar()
		fi;
		d_step { !invalidate_lock -> populate() };
		lock_inode();
		if
		:: !taken -> goto next
		:: taken -> taken = false
		fi;
		/* = announce() */
		if
		:: d_step { bar() || brk[h] != 0 -> i_rwsem = false };
			goto next
		:: d_step { !bar() && brk[h] == 0 -> rearming[h] = true }
		fi;
		!invalidate_lock;
		i_rwsem = false;
		d_step { !invalidate_lock -> populate(); fresh = block };
		/* = go_live(): live first, mapped then, both before a fence can get in between */
		d_step { !fence_lock[h] -> fence_lock[h] = true };
		d_step {
			rearming[h] = false;
			if
			:: (rearm_dead[h]
#ifdef WITHOUT_LOOKING_BACK
				&& false
#endif
				) || brk[h] != 0 -> ok = false
			:: else ->
				recorded[h] = fresh;
				lost[h] = false;
#ifndef WITHOUT_GENERATIONS
				generation[h]++;
#endif
				state[h] = ACTIVE;
				ok = true
			fi;
			rearm_dead[h] = false; fresh = 0
		};
		d_step {
			if
			:: ok ->
				ok = false;
				assert(recorded[h] == block);		/* I1 */
				assert(generation[h] > fenced_in[h]);	/* I6 */
				stopped[h] = false;
				mapped[h] = recorded[h]
			:: else
			fi;
			fence_lock[h] = false
		};
next:
		skip
	/* = dl_lease_end(): RELEASE, unmap, or the close of the context, which ends everybody's waiting for it */
	:: d_step { releasing[h] = true; closed[h] = true; doomed[h] = !lost[h]; seen = 0 };
		fence(h, 0);
		/* Not confirmed: the deadline work goes on trying, and the address space of the device is kept */
		state[h] == GONE;
		d_step { !fence_lock[h] -> mapped[h] = 0; recorded[h] = 0 }; /* = daxlease_detach() */
		/* In the module the next lease is another object; here it is this one, when all references are gone */
		!working[h] && !fence_lock[h];
		goto acquire
	od;
gone:
	skip
}

init
{
	atomic {
#ifdef HELD
		state[0] = ACTIVE; generation[0] = 1; recorded[0] = block; mapped[0] = block;
#if HOLDERS > 1
		state[1] = ACTIVE; generation[1] = 1; recorded[1] = block; mapped[1] = block;
#endif
#endif
		run Holder(0);
		run Deadline(0);
#if HOLDERS > 1
#ifndef SILENT
		run Holder(1);
#endif
		run Deadline(1);
#endif
		run Operation(0, FIRST);
#if SECOND
		run Operation(1, SECOND);
#endif
	};
#ifdef KILL
	killed[0] = true
#endif
}
