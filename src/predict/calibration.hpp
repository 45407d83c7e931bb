// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::predict {

/// A triple whose truth is known, for calibration.
struct Example {
  float score = 0;
  bool is_true = false;
};

/// From scores to probabilities.
enum class CalibrationMethod {
  kPlatt,     ///< 1 / (1 + exp(-(slope score + offset))) with the targets of Platt (1999); Newton (Lin et al. 2007)
  kIsotonic,  ///< the best non-decreasing steps (pool adjacent violators), straight lines between their middles
};
/// "platt", "isotonic".
const char* name(CalibrationMethod method);

/// How good probabilities are on some examples; true and false ones have the weights of the base rate.
struct CalibrationQuality {
  double brier = 0;     ///< mean (probability - truth)^2
  double log_loss = 0;  ///< nats
  double error = 0;     ///< expected calibration error: mean |probability - share of true ones| over ten bins
};

class Calibration {
 public:
  struct Point {
    double score;
    double probability;
  };
  /// Fits to examples; `base_rate` is the share of true triples among those that will be asked about. Throws
  /// Error(kBadData) when there are no true or no false ones.
  static Calibration fit(CalibrationMethod method, std::vector<Example> examples, double base_rate);

  /// That of a run, if it was made for this epoch; a warning when it was made for another. Throws Error(kBadData) for a
  /// file that is not one.
  static std::optional<Calibration> find(const std::filesystem::path& run_folder, std::uint64_t epoch);
  /// Writes RUN/calibration.json, whole or not at all. Throws Error(kIo).
  void save(const std::filesystem::path& run_folder, std::uint64_t epoch) const;

  [[nodiscard]] double probability(float score) const;
  [[nodiscard]] double base_rate() const { return base_rate_; }
  [[nodiscard]] CalibrationQuality quality(std::span<const Example> examples) const;

 private:
  CalibrationMethod method_ = CalibrationMethod::kPlatt;
  double base_rate_ = 0.5;
  double slope_ = 0;
  double offset_ = 0;
  std::vector<Point> points_;  // of isotonic steps, both ascending
};

}  // namespace tessera::predict
