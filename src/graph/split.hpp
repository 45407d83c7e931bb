// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>

namespace tessera::graph {

enum class Split : std::size_t { kTrain, kValid, kTest };

inline constexpr std::array<Split, 3> kSplits = {Split::kTrain, Split::kValid, Split::kTest};

inline const char* name(Split split) {
  constexpr std::array<const char*, 3> kNames = {"train", "valid", "test"};
  return kNames.at(static_cast<std::size_t>(split));
}

}  // namespace tessera::graph
