#include "actors/order.hpp"

#include "actors/timeline.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace vp {

order::order(job_order what)
    : what_{std::move(what.source), std::move(what.plan), {}, what.first}, decoded_(decoded_renditions(what_.plan)) {
  add(what.cells);
}

void order::grow(job_order more) {
  what_.source = std::move(more.source);
  what_.plan = std::move(more.plan);
  add(more.cells);
}

void order::add(const std::vector<cell_order>& cells) {
  for (const auto& wanted : cells) {
    auto index = find(wanted.cell.number);
    if (!index) {
      index = entries_.size();
      what_.cells.push_back(wanted);
      entries_.emplace_back();
    }
    change(*index, [&](entry& x) {
      x.waiting |= wanted.wanted;
      x.ready |= wanted.ready;
    });
  }
}

template <class F>
void order::change(std::size_t index, F how) {
  auto& x = entries_[index];
  auto count = [&](std::size_t by) {
    waiting_ += x.open() != 0 ? by : 0;
    suspects_ += x.open() != 0 && x.crashes > 0 ? by : 0;
  };
  count(static_cast<std::size_t>(-1));
  how(x);
  count(1);
}

rendition_bits order::available(std::size_t index, encoder_id encoder, bool alone, bool also_early) const {
  const auto& x = entries_[index];
  return x.crashes == 0 && (alone || x.avoid != encoder) ? x.open(also_early) : 0;
}

rendition_bits order::rest(std::size_t index, encoder_id encoder, bool alone) const {
  return available(index, encoder, alone) & ~entries_[index].urgent;
}

/// Cells are in presentation order, so their numbers rise.
std::optional<std::size_t> order::find(std::uint32_t number) const {
  auto found = std::lower_bound(what_.cells.begin(), what_.cells.end(), number,
                                [](const cell_order& x, std::uint32_t wanted) { return x.cell.number < wanted; });
  if (found == what_.cells.end() || found->cell.number != number)
    return std::nullopt;
  return static_cast<std::size_t>(found - what_.cells.begin());
}

bool order::belongs_to_somebody(std::size_t index) const {
  auto number = cell(index).number;
  return std::any_of(stands_.begin(), stands_.end(), [number](const auto& x) { return x.second == number; });
}

std::optional<order::part> order::adjacent(encoder_id encoder, bool alone) const {
  auto at = stands_.find(encoder);
  if (at == stands_.end())
    return std::nullopt;
  if (auto index = find(at->second))
    if (auto bits = rest(*index, encoder, alone))
      return part{*index, bits};
  return std::nullopt;
}

template <class Accepts>
std::optional<order::part> order::first_open(std::span<const cell_part> list, encoder_id encoder, bool alone,
                                             Accepts accepts, bool also_early) const {
  for (const auto& what : list)
    if (auto index = find(what.segment)) {
      const part found{*index, available(*index, encoder, alone, also_early) & what.renditions};
      if (found.renditions != 0 && accepts(found))
        return found;
    }
  return std::nullopt;
}

std::optional<order::part> order::urgent(encoder_id encoder, bool alone, bool last) const {
  return first_open(
      wishes_.urgent, encoder, alone, [&](const part& x) { return !has_failed(x) && (!last || is_for_last(x)); }, true);
}

std::optional<order::part> order::left_over(encoder_id encoder, bool alone, std::size_t& theirs) const {
  return first_open(wishes_.urgent, encoder, alone, [&](const part& x) {
    const auto is_left = theirs == 0 || has_failed(x) || !is_for_last(x);
    theirs -= is_left ? 0 : 1;
    return is_left;
  });
}

std::optional<order::part> order::soon(encoder_id encoder, bool alone) const {
  const std::span later(wishes_.later);
  return first_open(later.first(std::min<std::size_t>(wishes_.soon, later.size())), encoder, alone,
                    [&](const part& x) { return !has_failed(x); });
}

std::optional<order::part> order::later(encoder_id encoder, bool alone) const {
  const auto any = [](const part&) { return true; };
  const auto wished = first_open(wishes_.later, encoder, alone, any);
  return wished ? wished : first_open(what_.first, encoder, alone, any);
}

std::optional<order::part> order::first(encoder_id encoder, bool alone, bool last) const {
  return first_open(what_.first, encoder, alone,
                    [&](const part& x) { return !has_failed(x) && (!last || takes_no_time(x)); });
}

bool order::has_wishes() const {
  auto is_open = [this](const cell_part& one) {
    auto index = find(one.segment);
    return index && (entries_[*index].open(true) & one.renditions) != 0;
  };
  return std::ranges::any_of(wishes_.urgent, is_open) || std::ranges::any_of(wishes_.later, is_open)
         || std::ranges::any_of(what_.first, is_open);
}

bool order::holds_back(const part& task, need least) const {
  const auto& x = entries_[task.index];
  if (x.interrupted || x.crashes > 0 || x.given_up)
    return false;
  const auto holds = [&](rendition_bits needed) {
    return (task.renditions & needed) != 0 && (task.renditions & ~needed & decoded_) != 0;
  };
  // Who seeks is held back by what is urgent to others, too.
  return holds(x.sought) || (least != need::sought && holds(x.urgent | (least == need::soon ? x.soon : 0)));
}

bool order::keeps_seekers_waiting() const {
  const auto sought = std::span(wishes_.urgent).first(std::min<std::size_t>(wishes_.sought, wishes_.urgent.size()));
  return first_open(
             sought, 0, true, [&](const part& x) { return !has_failed(x); }, true)
      .has_value();
}

bool order::is_for_nobody(const part& task) const {
  const auto& x = entries_[task.index];
  const auto number = cell(task.index).number;
  return x.sought == 0 && ((x.urgent | x.soon) & task.renditions) == 0
         && std::ranges::none_of(what_.first, [&](const cell_part& one) {
              return one.segment == number && (one.renditions & task.renditions) != 0;
            });
}

std::vector<cell_part> order::running_parts() const {
  std::vector<cell_part> parts;
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].running != 0)
      parts.push_back({cell(i).number, entries_[i].running});
  return parts;
}

std::optional<order::part> order::next(encoder_id encoder, bool alone, bool fresh) const {
  if (fresh && suspects_ > 0)
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].crashes > 0 && entries_[i].open() != 0)
        return part{i, entries_[i].open()};
  if (auto own = adjacent(encoder, alone))
    return own;
  auto from = [&](std::size_t index) { return part{index, rest(index, encoder, alone)}; };
  std::optional<std::size_t> unclaimed;
  std::pair<std::size_t, std::size_t> longest{0, 0};
  for (std::size_t begin = 0, end = 0; begin < entries_.size(); begin = end) {
    end = begin + 1;
    if (rest(begin, encoder, alone) == 0)
      continue;
    while (end < entries_.size() && rest(end, encoder, alone) != 0 && !entries_[end].given_back
           && cell(end).number == cell(end - 1).number + 1)
      ++end;
    if (belongs_to_somebody(begin)) {
      if (end - begin > longest.second - longest.first)
        longest = {begin, end};
    } else if (entries_[begin].given_back) {
      return from(begin);
    } else if (!unclaimed) {
      unclaimed = begin;
    }
  }
  if (unclaimed)
    return from(*unclaimed);
  auto length = longest.second - longest.first;
  if (length == 0 || (length < worth_a_seek && known_.contains(encoder)))
    return std::nullopt;
  return from(middle(longest.first, longest.second));
}

std::size_t order::middle(std::size_t begin, std::size_t end) const {
  double total = 0;
  for (auto i = begin; i < end; ++i)
    total += seconds_of(what_.plan, cell(i));
  auto best = begin;
  auto nearest = std::numeric_limits<double>::max();
  double before = seconds_of(what_.plan, cell(begin));
  for (auto i = begin + 1; i < end; ++i) {
    if (auto off = std::abs(before - total / 2); off < nearest) {
      nearest = off;
      best = i;
    }
    before += seconds_of(what_.plan, cell(i));
  }
  return best;
}

void order::wish(viewer_needs what) {
  // Each of a list's wishes, with whether it is of the first so many.
  const auto each = [this](const std::vector<cell_part>& list, std::size_t first, auto how) {
    for (std::size_t i = 0; i < list.size(); ++i)
      if (auto index = find(list[i].segment))
        how(entries_[*index], list[i].renditions, i < first);
  };
  const auto forget = [](entry& x, rendition_bits, bool) { x.urgent = x.sought = x.soon = x.early = 0; };
  each(wishes_.urgent, 0, forget);
  each(wishes_.later, 0, forget);
  wishes_ = std::move(what);
  each(wishes_.urgent, wishes_.sought, [](entry& x, rendition_bits bits, bool sought) {
    x.urgent |= bits;
    x.sought |= sought ? bits : 0;
  });
  each(wishes_.early, 0,
       [this](entry& x, rendition_bits bits, bool) { x.early |= x.taken_back != wishes_.reading ? bits : 0; });
  each(wishes_.later, wishes_.soon, [](entry& x, rendition_bits bits, bool soon) { x.soon |= soon ? bits : 0; });
}

void order::arrived(const std::vector<cell_part>& parts) {
  for (const auto& what : parts)
    if (auto index = find(what.segment))
      change(*index, [&](entry& x) { x.ready |= what.renditions; });
}

void order::started(const part& what, encoder_id encoder) {
  change(what.index, [&](entry& x) {
    x.waiting &= ~what.renditions;
    x.running |= what.renditions;
  });
  ++running_;
  if ((what.renditions & decoded_) != 0)
    stands_[encoder] = cell(what.index).number + 1;
  known_.insert(encoder);
}

void order::encoded(const part& what) {
  auto& x = entries_[what.index];
  x.running &= ~what.renditions;
  ++x.encoded;
  --running_;
  ++encoded_;
}

void order::stored(std::uint32_t number) {
  if (auto index = find(number); index && entries_[*index].encoded > 0) {
    --entries_[*index].encoded;
    --encoded_;
  }
}

void order::wait_again(const part& what, encoder_id encoder) {
  change(what.index, [&](entry& x) {
    x.waiting |= what.renditions;
    x.running &= ~what.renditions;
    x.given_back = true;
  });
  --running_;
  left(encoder);
}

std::uint32_t order::failed(const part& what, encoder_id encoder) {
  wait_again(what, encoder);
  entries_[what.index].avoid = encoder;
  return ++entries_[what.index].failures;
}

std::uint32_t order::lost(const part& what, encoder_id encoder) {
  wait_again(what, encoder);
  return ++entries_[what.index].losses;
}

void order::interrupted(const part& what, encoder_id encoder) {
  wait_again(what, encoder);
  if (std::popcount(what.renditions) > 1)
    entries_[what.index].interrupted = true;
}

void order::taken_back(const part& what, encoder_id encoder, std::uint32_t reading) {
  wait_again(what, encoder);
  entries_[what.index].taken_back = reading;
  if (reading == wishes_.reading)
    entries_[what.index].early = 0;
}

std::uint32_t order::crashed(const part& what, encoder_id encoder) {
  change(what.index, [](entry& x) { ++x.crashes; });
  wait_again(what, encoder);
  return entries_[what.index].crashes;
}

void order::give_up(std::size_t index) {
  change(index, [](entry& x) { x.given_up = true; });
}

bool order::stands_at(const part& what, encoder_id encoder) const {
  const auto found = stands_.find(encoder);
  return found != stands_.end() && found->second == cell(what.index).number;
}

void order::left(encoder_id encoder) {
  stands_.erase(encoder);
}

} // namespace vp
