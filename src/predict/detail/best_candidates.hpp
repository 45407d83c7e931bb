// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace tessera::predict::detail {

struct Candidate {
  EntityId entity;  ///< global
  float score = 0;
};

/// Higher scores first, then smaller ids: a total order, so that the k best do not depend on who found them when.
inline bool is_better(const Candidate& a, const Candidate& b) {
  return a.score > b.score || (a.score == b.score && a.entity < b.entity);
}

/// The k best candidates so far, as a heap with the worst on top, over memory of the caller.
class BestCandidates {
 public:
  BestCandidates(std::span<Candidate> memory, std::uint32_t& size) : memory_(memory), size_(size) {}

  /// Scores below this are not among the k best.
  [[nodiscard]] float bar() const {
    return size_ == memory_.size() ? memory_.front().score : -std::numeric_limits<float>::infinity();
  }
  [[nodiscard]] bool wants(const Candidate& candidate) const {
    return size_ < memory_.size() || is_better(candidate, memory_.front());
  }
  void add(const Candidate& candidate) {
    if (size_ == memory_.size())
      std::pop_heap(memory_.begin(), memory_.end(), is_better);
    else
      ++size_;
    memory_[size_ - 1] = candidate;
    std::push_heap(memory_.begin(), memory_.begin() + size_, is_better);
  }
  [[nodiscard]] std::span<const Candidate> found() const { return memory_.first(size_); }
  /// Best first; ends the heap.
  std::span<const Candidate> sort() {
    std::sort(memory_.begin(), memory_.begin() + size_, is_better);
    return found();
  }

 private:
  std::span<Candidate> memory_;
  std::uint32_t& size_;
};

}  // namespace tessera::predict::detail
