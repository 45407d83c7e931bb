// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

#include <cstdint>
#include <vector>

namespace tessera::sampling {

/// Cuts an epoch into steps. Every part gives each step its share of its items (queries), on any rank.
class StepSchedule {
 public:
  /// `items`: number of items of every part.
  StepSchedule(std::vector<std::uint64_t> items, std::uint64_t batch_size);
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] std::uint32_t parts() const { return static_cast<std::uint32_t>(items_.size()); }
  /// Items of one part before `step`: its share of the step is [begin(part, step), begin(part, step + 1)).
  [[nodiscard]] std::uint64_t begin(PartId part, std::uint64_t step) const;
  /// Largest share of a part.
  [[nodiscard]] std::uint64_t largest_share(PartId part) const;
  /// Items of all parts in a step.
  [[nodiscard]] std::uint64_t size(std::uint64_t step) const;

 private:
  std::vector<std::uint64_t> items_;  // by part
  std::uint64_t steps_;
};

}  // namespace tessera::sampling
