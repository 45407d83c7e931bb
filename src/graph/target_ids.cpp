// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/target_ids.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tessera::graph {

// Every number is taken for a row; those of entities elsewhere are looked up together.
void TargetIds::entities(std::span<const std::uint32_t> numbers, std::uint64_t* out) const {
  constexpr std::size_t kTogether = 256;
  std::array<std::uint32_t, kTogether> at;
  std::array<std::uint16_t, kTogether> places;
  std::array<std::uint64_t, kTogether> found;
  for (; !numbers.empty(); numbers = numbers.subspan(std::min(kTogether, numbers.size())), out += kTogether) {
    const std::size_t size = std::min(kTogether, numbers.size());
    std::size_t count = 0;
    for (std::size_t k = 0; k < size; ++k) {
      const std::uint64_t number = numbers[k];
      out[k] = first_entity_ + (number - below_);
      at[count] = static_cast<std::uint32_t>(number < below_ ? number : number - rows_);
      places[count] = static_cast<std::uint16_t>(k);
      count += number - below_ < rows_ ? 0 : 1;  // wraps around below the rows
    }
    elsewhere_.gather(std::span(at).first(count), 0, found.data());
    for (std::size_t k = 0; k < count; ++k) out[places[k]] = found[k];
  }
}

void TargetIds::entities_of_list(std::span<const std::uint32_t> numbers, std::uint64_t* out) const {
  const auto end_below = std::lower_bound(numbers.begin(), numbers.end(), below_);
  const auto end_rows = std::lower_bound(end_below, numbers.end(), below_ + rows_);
  const auto below = static_cast<std::size_t>(end_below - numbers.begin());
  const auto to_rows = static_cast<std::size_t>(end_rows - numbers.begin());
  elsewhere_.gather(numbers.first(below), 0, out);
  for (std::size_t k = below; k < to_rows; ++k) out[k] = first_entity_ + (numbers[k] - below_);
  elsewhere_.gather(numbers.subspan(to_rows), static_cast<std::uint32_t>(rows_), out + to_rows);
}

}  // namespace tessera::graph
