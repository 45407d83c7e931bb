// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::tuning {

/// A key of the job and the values that a search tries.
struct Dimension {
  std::string key;                   ///< "optimiser.learning_rate"
  std::vector<std::string> choices;  ///< as TOML; empty: a range
  double from = 0;                   ///< of a range, both ends included
  double to = 0;
  bool is_log = false;    ///< even in the logarithm
  bool is_whole = false;  ///< whole numbers
};

/// "key=value" for each dimension: what `tessera train` takes.
using Settings = std::vector<std::string>;

/// The settings that a search chooses from, as the table [space] of its file lists them, in order of their keys.
class Space {
 public:
  /// `values`: a search file, of which the keys "space.*" are read. Throws Error(kUsage) with file and line: no keys, a
  /// list without values, a range without an end, ends in the wrong order, a logarithm of a number not above 0.
  static Space read(const ConfigValues& values, const std::string& file);

  [[nodiscard]] const std::vector<Dimension>& dimensions() const { return dimensions_; }
  /// All combinations of the choices; the last key changes fastest. Throws Error(kUsage) that names a range, or when
  /// there are more than kMostTrials.
  [[nodiscard]] std::vector<Settings> grid() const;
  /// Settings drawn at random: a function of the seed, the trial and the places of the keys.
  [[nodiscard]] Settings draw(std::uint64_t seed, std::uint64_t trial) const;

  static constexpr std::uint64_t kMostTrials = 100000;

 private:
  std::vector<Dimension> dimensions_;
};

}  // namespace tessera::tuning
