/* How a scheduler sleeps and how other threads wake it, for spin (https://spinroot.com).
 *
 * The code is lib/dunlin/loop/remote.cpp (post), scheduler.cpp (turn, destructor). Each numbered step
 * here is one sequentially consistent atomic operation or one system call there. Spin knows no other
 * memory than a sequentially consistent one, so the model says nothing about weaker orders: for that
 * reason the C++ uses memory_order_seq_cst for steps 3, 4, A, B and C, and here nothing is proved about
 * code that does not.
 *
 * Checked for every interleaving of PRODUCERS threads with POSTS posts each, of a scheduler that may
 * die at the end of any turn, and of up to OTHERS wake-ups by something else (a socket, a timer):
 *   - no wake-up is lost: the loop never sleeps for good while something is posted ("invalid end state");
 *   - what was accepted is run or abandoned, once; what was refused is neither (assertions).
 *
 * With -DLOOK_FIRST the loop looks at the queue first and announces second; spin must find the lost
 * wake-up then. wake_protocol_test.py runs both.
 */
#ifndef PRODUCERS
#define PRODUCERS 3
#endif
#ifndef POSTS
#define POSTS 1
#endif
#ifndef OTHERS
#define OTHERS 1
#endif

#define NODES (PRODUCERS * POSTS)
#define EMPTY 255
#define CLOSED 254

byte newest = EMPTY;    /* the stack of posted nodes; CLOSED once the scheduler is gone */
byte older[NODES];      /* the nodes' links */
bool wants_wake = true; /* the announcement: the next poster writes to the eventfd */

byte counter = 0;       /* of the eventfd */
bool edge = false;      /* epoll has the eventfd on its ready list, edge-triggered */
byte others = OTHERS;   /* wake-ups by something else that may still come */

/* What happened, for the assertions only. */
byte finished = 0;
bool loop_has_ended = false;
bool was_accepted[NODES];
byte times_handled[NODES];

/* remote::post */
proctype producer(byte first) {
    byte node = first;
    byte seen;
    bool was_wanted;
    do
    :: node < first + POSTS ->
        seen = newest;                                          /* a hint; the exchange decides */
        do
        :: seen == CLOSED -> goto next
        :: else ->
            older[node] = seen;
            atomic {                                            /* A: compare and exchange */
                if
                :: newest == seen -> newest = node; was_accepted[node] = true; break
                :: else -> seen = newest
                fi
            }
        od;
        if
        :: wants_wake ->                                         /* B: load */
            atomic { was_wanted = wants_wake; wants_wake = false }/* C: exchange: one poster wakes for all */
            if
            :: was_wanted -> atomic { counter++; edge = true }  /* D: write to the eventfd */
            :: else
            fi
        :: else
        fi;
    next:
        node++
    :: else -> break
    od;
    finished++
}

byte taken;     /* the list that the loop is working off */
byte next_taken;

/* scheduler::wake_up, or abandoning in the destructor */
inline handle_all(left_behind) {
    atomic { taken = newest; newest = left_behind }             /* 4: exchange */
    do
    :: taken < NODES ->
        next_taken = older[taken];                              /* before: the node may be gone after */
        times_handled[taken]++;
        assert(times_handled[taken] == 1);
        taken = next_taken
    :: else -> break
    od;
    assert(taken == EMPTY)
}

/* scheduler::turn again and again, then its destructor */
proctype loop() {
turn:                                                           /* epoll_wait */
    if
    :: atomic { edge ->
        edge = false;
        if
        :: counter == 0 -> goto turn                            /* the kernel asks the eventfd again */
        :: else
        fi }
        counter = 0;                                            /* 2: read from the eventfd */
#ifdef LOOK_FIRST
        handle_all(EMPTY);
        wants_wake = true
#else
        wants_wake = true;                                      /* 3: store */
        handle_all(EMPTY)
#endif
    :: atomic { others > 0 -> others-- }
    :: finished == PRODUCERS && newest == EMPTY && !edge -> goto end  /* it may sleep for ever */
    fi;

    if
    :: goto turn
    :: goto end                                                 /* the scheduler may die here */
    fi;
end:
    handle_all(CLOSED);
    loop_has_ended = true
}

init {
    byte i;
    atomic {
        for (i : 0 .. PRODUCERS - 1) { run producer(i * POSTS) }
        run loop()
    }
    finished == PRODUCERS && loop_has_ended;
    for (i : 0 .. NODES - 1) {
        assert(times_handled[i] == was_accepted[i])
    }
    assert(newest == CLOSED)
}
