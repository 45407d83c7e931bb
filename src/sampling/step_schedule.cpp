// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/step_schedule.hpp"

#include <algorithm>
#include <utility>

namespace tessera::sampling {

StepSchedule::StepSchedule(std::vector<std::uint64_t> items, std::uint64_t batch_size) : items_(std::move(items)) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : items_) total += count;
  steps_ = std::max<std::uint64_t>(1, (total + batch_size - 1) / batch_size);
}

std::uint64_t StepSchedule::begin(PartId part, std::uint64_t step) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(items_[part.index()]) * step / steps_);
}

std::uint64_t StepSchedule::largest_share(PartId part) const { return (items_[part.index()] + steps_ - 1) / steps_; }

std::uint64_t StepSchedule::size(std::uint64_t step) const {
  std::uint64_t sum = 0;
  for (std::uint32_t p = 0; p < items_.size(); ++p) sum += begin(PartId(p), step + 1) - begin(PartId(p), step);
  return sum;
}

}  // namespace tessera::sampling
