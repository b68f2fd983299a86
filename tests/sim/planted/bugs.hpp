// The bugs that are planted in the library, one at a time. Each is where its name is written:
// `grep -rn "DUNLIN_PLANTED(name)" lib`. docs/simulation_bugs.md says how many seeds find each.
#pragma once

#include <cstddef>
#include <string_view>

namespace dunlin::planted {

// Each with what would be the matter, a line each.
// clang-format off
#define DUNLIN_ALL_PLANTED(bug) \
    bug(borrowed_not_removed, "closing leaves a borrowed descriptor in epoll") \
    bug(generation_ignored, "an old key finds the slot's next tenant") \
    bug(readiness_lost, "readiness is not kept when nobody waits") \
    bug(recv_without_eintr, "EINTR gets out of recv(2)") \
    bug(send_without_eintr, "EINTR gets out of send(2)") \
    bug(accept_without_eintr, "EINTR gets out of accept4(2)") \
    bug(wake_without_eintr, "a wake-up is lost when write(2) to the eventfd is interrupted") \
    bug(edge_taken_for_level, "a read waits for an edge though the last one left bytes") \
    bug(short_read_at_end, "a short read counts as drained though the end was seen") \
    bug(short_read_anywhere, "a short read counts as drained on sockets that are not TCP") \
    bug(turn_without_eintr, "EINTR of epoll_wait(2) ends the turn with an error") \
    bug(timer_not_disarmed, "a task that is destroyed leaves its timer armed") \
    bug(timer_lost_in_cascade, "only the first timer of a slot goes down a level") \
    bug(timer_early, "a slot's first timer is due with its slot") \
    bug(timer_not_rearmed, "a timer that goes off too early is not armed again") \
    bug(earlier_deadline_ignored, "a timer that is armed keeps its later deadline") \
    bug(wall_clock, "timers follow the wall clock") \
    bug(not_woken_on_close, "who waits for a socket is not woken by its close") \
    bug(second_reader_allowed, "a second reader takes the first one's place") \
    bug(write_at_wrong_offset, "after a short send the next one begins a byte too early") \
    bug(gather_at_wrong_offset, "after a short gathered send the next one begins too early") \
    bug(moved_not_counted, "what a short send has sent is not counted") \
    bug(accept_ends_on_abort, "ECONNABORTED ends accepting") \
    bug(accept_once_an_edge, "one connection is taken for each edge") \
    bug(descriptors_spin, "lack of descriptors is tried again at once") \
    bug(descriptors_forgotten, "lack of descriptors is not tried again") \
    bug(drain_forgets, "a drain does not ask the oldest session") \
    bug(stop_not_forwarded, "a join does not pass its stop on") \
    bug(stop_without_wake, "a stop does not wake who waits") \
    bug(timeout_loses_data, "a timeout wins over what was just taken") \
    bug(later_never, "who has spent his budget gets no other turn") \
    bug(run_queue_is_stack, "who was queued last runs first") \
    bug(queued_twice, "a queued task is queued again") \
    bug(channel_loses_item, "a receive that is cancelled takes its item along") \
    bug(mutex_lost, "who is destroyed as the next holder of a mutex does not pass it on") \
    bug(permit_lost, "several permits that come back are one less") \
    bug(line_not_served, "who stands behind one that gave up is not served") \
    bug(one_shot_gives_twice, "a one-shot serves two") \
    bug(wake_flag_not_reset, "the announcement that the next post wakes is not made again") \
    bug(posts_reversed, "what was posted runs newest first") \
    bug(connect_error_ignored, "connecting does not look at SO_ERROR") \
    bug(loser_left_open, "a connect that has lost its race leaves its descriptor open") \
    bug(reader_drops_bytes, "a buffered read that is cancelled drops what has come") \
    bug(first_event_only, "the events of a batch behind the first are dropped") \
    bug(mask_not_restored, "a signal set that is gone leaves its signals blocked") \
    bug(end_taken_for_error, "the end of a stream is a reset") \
    bug(end_stops_writes, "who has read the end cannot write any more") \
    bug(readable_waits_first, "readable waits for an edge before it looks") \
    bug(losers_not_stopped, "the losers of a race run on") \
    bug(loser_reads, "the loser of a race takes what came for it") \
    bug(shield_leaks, "a stop comes into a shield") \
    bug(scope_stays_over, "a scope that has timed out ends what comes after it") \
    bug(limit_off_by_one, "a server takes one connection too many") \
    bug(no_last_words, "a server closes with input unread, and its answer is reset")
// clang-format on

enum class bug : unsigned {
    none,
#define DUNLIN_NUMBER(name, words) name,
    DUNLIN_ALL_PLANTED(DUNLIN_NUMBER)
#undef DUNLIN_NUMBER
};

inline constexpr const char* names[] = {
#define DUNLIN_NAME(name, words) #name "\t" words,
    DUNLIN_ALL_PLANTED(DUNLIN_NAME)
#undef DUNLIN_NAME
};

/// The one that is there.
inline bug planted = bug::none;

/// False if there is none of this name.
inline bool plant(std::string_view name) noexcept {
    unsigned number = 0;
    for (const std::string_view each : names) {
        ++number;
        if (each.substr(0, each.find('\t')) != name) continue;
        planted = static_cast<bug>(number);
        return true;
    }
    return false;
}

} // namespace dunlin::planted

#define DUNLIN_PLANTED(name) (::dunlin::planted::planted == ::dunlin::planted::bug::name)
