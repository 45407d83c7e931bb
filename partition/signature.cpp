// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/signature.hpp"

#include "core/cast.hpp"
#include "core/progress.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::partition {
namespace {

constexpr std::size_t kAhead = 24;  // entities that are prefetched
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// Entities in classes of equal signature so far; the classes form a list in signature order. Adding a relation moves
// its sources out of their classes into new ones right before them.
class Classes {
 public:
  explicit Classes(std::uint64_t entity_count) : class_of_(entity_count, 0) {
    classes_.push_back({kNone, kNone, kNone, static_cast<std::uint32_t>(entity_count)});
  }

  void prefetch(std::uint64_t entity) const { __builtin_prefetch(&class_of_[entity], 1); }

  // An entity may be moved several times per relation; only the first time counts.
  void move(std::uint64_t entity) {
    const std::uint32_t from = class_of_[entity];
    if (classes_[from].is_new) return;
    if (classes_[from].members_with == kNone) insert_before(from);
    const std::uint32_t to = classes_[from].members_with;
    --classes_[from].size;
    ++classes_[to].size;
    class_of_[entity] = to;
  }

  void end_relation() {
    for (const std::uint32_t split : split_) {
      classes_[classes_[split].members_with].is_new = false;
      classes_[split].members_with = kNone;
      if (classes_[split].size == 0) unlink(split);
    }
    split_.clear();
  }

  std::vector<std::uint32_t> take_ranks() {
    std::vector<std::uint32_t> rank_of_class(classes_.size());
    std::uint32_t rank = 0;
    for (std::uint32_t c = first_; c != kNone; c = classes_[c].next) rank_of_class[c] = rank++;
    for (std::uint32_t& entity : class_of_) entity = rank_of_class[entity];
    return std::move(class_of_);
  }

 private:
  struct Class {
    std::uint32_t previous = kNone;
    std::uint32_t next = kNone;
    std::uint32_t members_with = kNone;  // the class its members with the current relation go to
    std::uint32_t size = 0;
    bool is_new = false;  // made for the current relation
  };

  std::uint32_t allocate() {
    if (free_.empty()) {
      classes_.emplace_back();
      return checked_cast<std::uint32_t>(classes_.size() - 1);
    }
    const std::uint32_t reused = free_.back();
    free_.pop_back();
    classes_[reused] = {};
    return reused;
  }

  void insert_before(std::uint32_t next) {
    const std::uint32_t added = allocate();
    const std::uint32_t previous = classes_[next].previous;
    classes_[added] = {previous, next, kNone, 0, true};
    (previous == kNone ? first_ : classes_[previous].next) = added;
    classes_[next].previous = added;
    classes_[next].members_with = added;
    split_.push_back(next);
  }

  void unlink(std::uint32_t empty) {
    const Class& gone = classes_[empty];
    (gone.previous == kNone ? first_ : classes_[gone.previous].next) = gone.next;
    if (gone.next != kNone) classes_[gone.next].previous = gone.previous;
    free_.push_back(empty);
  }

  std::vector<std::uint32_t> class_of_;
  std::vector<Class> classes_;
  std::uint32_t first_ = 0;
  std::vector<std::uint32_t> split_;  // classes split by the current relation
  std::vector<std::uint32_t> free_;
};

struct Range {
  std::uint64_t first;
  std::uint64_t count;
};

Range triples_of(const TrainingSummary& summary, RelationId relation) {
  const std::uint64_t relations = summary.relation_offsets.size() - 1;
  const std::uint64_t r = relation.value() % relations;
  return {summary.relation_offsets[r], summary.relation_offsets[r + 1] - summary.relation_offsets[r]};
}

}  // namespace

std::vector<RelationId> relations_by_frequency(const TrainingSummary& summary) {
  const std::uint64_t directed = 2 * (summary.relation_offsets.size() - 1);
  std::vector<RelationId> relations;
  for (std::uint32_t r = 0; r < directed; ++r) relations.emplace_back(r);
  std::stable_sort(relations.begin(), relations.end(), [&](RelationId a, RelationId b) {
    return triples_of(summary, a).count > triples_of(summary, b).count;
  });
  return relations;
}

std::vector<std::uint32_t> signature_ranks(const graph::GraphReader& reader, const TrainingSummary& summary) {
  Classes classes(reader.entity_count());
  Progress progress("signatures", 2 * reader.triple_count(graph::Split::kTrain), "triples");
  std::uint64_t done = 0;
  for (const RelationId relation : relations_by_frequency(summary)) {
    const bool is_inverse = relation.value() >= reader.relation_count();
    const Range range = triples_of(summary, relation);
    const RelationId stored(static_cast<std::uint32_t>(relation.value() % reader.relation_count()));
    reader.for_each_block_of(
        graph::Split::kTrain, stored, range.first, range.count, [&](std::span<const Triple> block) {
          const auto entity = [&](std::size_t i) { return (is_inverse ? block[i].tail : block[i].head).value(); };
          for (std::size_t i = 0; i < block.size(); ++i) {
            if (i + kAhead < block.size()) classes.prefetch(entity(i + kAhead));
            classes.move(entity(i));
          }
        });
    classes.end_relation();
    progress.update(done += range.count);
  }
  return classes.take_ranks();
}

}  // namespace tessera::partition
