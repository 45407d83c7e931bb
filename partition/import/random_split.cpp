// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/random_split.hpp"

#include "core/random.hpp"
#include "partition/import/external_sort.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace tessera::partition {
namespace {

struct Candidate {
  TripleKey key;
  std::uint64_t priority;
  bool operator<(const Candidate& other) const {
    return priority != other.priority ? priority < other.priority : key < other.key;
  }
};

void sort_records(std::vector<Candidate>& records, std::vector<Candidate>& /*scratch*/) {
  std::sort(records.begin(), records.end());
}

template <class Visit>
void for_each_key(const SplitTriples& triples, const Visit& visit) {
  KeyFile::Reader reader(triples.keys());
  for (std::span<const TripleKey> block = reader.next(); !block.empty(); block = reader.next())
    for (const TripleKey key : block) visit(key);
}

// In how many triples of train each entity and relation occurs.
class Occurrences {
 public:
  Occurrences(const SplitTriples& triples, const SplitRequest& request)
      : layout_(triples.keys().layout()), entities_(request.entities), relations_(request.relations) {
    for_each_key(triples, [&](TripleKey key) {
      increase(entities_[layout_.head(key)]);
      if (layout_.head(key) != layout_.tail(key)) increase(entities_[layout_.tail(key)]);
      increase(relations_[layout_.relation(key)]);
    });
  }

  // Takes the triple out unless it is the last one of something.
  bool take(TripleKey key) {
    auto& head = entities_[layout_.head(key)];
    auto& tail = entities_[layout_.tail(key)];
    auto& relation = relations_[layout_.relation(key)];
    if (head < 2 || tail < 2 || relation < 2) return false;
    decrease(head);
    if (&head != &tail) decrease(tail);
    decrease(relation);
    return true;
  }

 private:
  static constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  static void increase(std::uint32_t& count) { count += count < kMost ? 1 : 0; }
  static void decrease(std::uint32_t& count) {
    count -= count < kMost ? 1 : 0;
  }  // a count at the limit is never scarce
  KeyLayout layout_;
  std::vector<std::uint32_t> entities_;
  std::vector<std::uint32_t> relations_;
};

// A triple belongs to one window of priorities; windows are tried in order until enough triples are taken.
struct Window {
  std::uint64_t first;
  std::uint64_t last;  // inclusive
};

// About three times the candidates that are needed, then everything else.
std::array<Window, 2> windows(std::uint64_t needed, std::uint64_t all) {
  const double share = std::min(1.0, 3.0 * static_cast<double>(needed) / static_cast<double>(all));
  constexpr std::uint64_t kEnd = std::numeric_limits<std::uint64_t>::max();
  const auto cut = share >= 1.0 ? kEnd : static_cast<std::uint64_t>(std::ldexp(share, 64));
  return {{{0, cut}, {cut == kEnd ? kEnd : cut + 1, cut == kEnd ? 0 : kEnd}}};
}

class HeldOut {
 public:
  HeldOut(const SortSettings& settings, std::uint64_t wanted)
      : wanted_(wanted), sorter_(settings.folder, settings.memory_bytes / 2) {}
  [[nodiscard]] bool full() const { return taken_ == wanted_; }
  [[nodiscard]] std::uint64_t wanted() const { return wanted_; }
  void add(TripleKey key) {
    sorter_.add(key);
    ++taken_;
  }
  SplitTriples finish(const SortSettings& settings, KeyLayout layout) {
    KeyFile file(settings.folder, layout);
    sorter_.finish([&](TripleKey key) { file.add(key); });
    return SplitTriples(std::move(file));
  }

 private:
  std::uint64_t wanted_;
  std::uint64_t taken_ = 0;
  ExternalSorter<TripleKey> sorter_;
};

void take_out(const SplitTriples& all, const SplitRequest& request, const SortSettings& settings, HeldOut& valid,
              HeldOut& test) {
  const RandomStream stream(request.seed, Purpose::kSplit);
  Occurrences occurrences(all, request);
  for (const Window& window : windows(valid.wanted() + test.wanted(), all.size())) {
    if (valid.full() && test.full()) return;
    ExternalSorter<Candidate> order(settings.folder, settings.memory_bytes);
    std::uint64_t position = 0;
    for_each_key(all, [&](TripleKey key) {
      const std::uint64_t priority = stream.bits(position++);
      if (priority >= window.first && priority <= window.last) order.add({key, priority});
    });
    order.finish([&](const Candidate& candidate) {
      HeldOut& to = valid.full() ? test : valid;
      if (!to.full() && occurrences.take(candidate.key)) to.add(candidate.key);
    });
  }
}

// The keys of a sorted file, one at a time.
class Cursor {
 public:
  explicit Cursor(const SplitTriples& triples) : reader_(triples.keys()), block_(reader_.next()) {}
  // Whether `key` is in the file; keys must be asked for in ascending order.
  bool passes(TripleKey key) {
    if (block_.empty() || block_.front() != key) return false;
    block_ = block_.subspan(1);
    if (block_.empty()) block_ = reader_.next();
    return true;
  }

 private:
  KeyFile::Reader reader_;
  std::span<const TripleKey> block_;
};

}  // namespace

ThreeSplits split_at_random(SplitTriples all, const SplitRequest& request, const SortSettings& settings) {
  const auto share = [&](double fraction) {
    return static_cast<std::uint64_t>(std::llround(fraction * static_cast<double>(all.size())));
  };
  const KeyLayout layout = all.keys().layout();
  HeldOut valid_set(settings, share(request.valid_fraction));
  HeldOut test_set(settings, share(request.test_fraction));
  if (!valid_set.full() || !test_set.full()) take_out(all, request, settings, valid_set, test_set);
  SplitTriples valid = valid_set.finish(settings, layout);
  SplitTriples test = test_set.finish(settings, layout);
  if (valid.size() + test.size() == 0) return {std::move(all), std::move(valid), std::move(test)};
  KeyFile train(settings.folder, layout);
  std::optional<WeightFile> weights;
  std::optional<WeightFile::Reader> all_weights;
  if (all.weights()) {
    weights.emplace(settings.folder);
    all_weights.emplace(*all.weights());
  }
  Cursor in_valid(valid);
  Cursor in_test(test);
  for_each_key(all, [&](TripleKey key) {
    const float weight = all_weights ? all_weights->next() : 0;
    if (in_valid.passes(key) || in_test.passes(key)) return;
    train.add(key);
    if (weights) weights->add(weight);
  });
  return {SplitTriples(std::move(train), std::move(weights)), std::move(valid), std::move(test)};
}

}  // namespace tessera::partition
