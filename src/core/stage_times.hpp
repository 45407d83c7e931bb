// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tessera {

/// The stages of a training step, in order.
enum class Stage : std::uint8_t {
  kDraw,       ///< batches, their index lists, and the targets of other ranks' queries
  kCompose,    ///< source rows and relations to query vectors
  kExchange,   ///< between ranks: vectors, statistics, gradients, relation gradients
  kScore,      ///< candidates against queries
  kLoss,       ///< statistics, weights, relation prediction
  kGradients,  ///< gradients of queries, sources and relations
  kUpdate,     ///< gradients of rows, and the optimiser
};
inline constexpr std::size_t kStageCount = 7;

/// "draw", "compose", ...
constexpr const char* name(Stage stage) {
  constexpr std::array<const char*, kStageCount> kNames = {"draw", "compose",   "exchange", "score",
                                                           "loss", "gradients", "update"};
  return kNames[static_cast<std::size_t>(stage)];
}

/// Seconds by stage.
struct StageTimes {
  std::array<double, kStageCount> seconds{};
  [[nodiscard]] double& of(Stage stage) { return seconds[static_cast<std::size_t>(stage)]; }
  [[nodiscard]] double of(Stage stage) const { return seconds[static_cast<std::size_t>(stage)]; }
  StageTimes& operator+=(const StageTimes& other) {
    for (std::size_t stage = 0; stage < kStageCount; ++stage) seconds[stage] += other.seconds[stage];
    return *this;
  }
};

}  // namespace tessera
