// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/calibration.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "storage/atomic.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>

namespace tessera::predict {
namespace {

constexpr const char* kFile = "calibration.json";
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kBins = 10;

struct Counts {
  double of_true = 0;
  double of_false = 0;
};

Counts count(std::span<const Example> examples) {
  Counts counts;
  for (const Example& example : examples) (example.is_true ? counts.of_true : counts.of_false) += 1;
  return counts;
}

/// Weights of a true and of a false example; those of all add up to 1.
Counts weights_of(std::span<const Example> examples, double base_rate) {
  const Counts counts = count(examples);
  if (counts.of_true == 0 || counts.of_false == 0)
    fail(ExitStatus::kBadData, "calibration needs true and false triples; there are {} true and {} false ones",
         counts.of_true, counts.of_false);
  return {base_rate / counts.of_true, (1 - base_rate) / counts.of_false};
}

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
/// log(1 + exp(x)).
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

/// The fit of a logistic curve by Newton steps with halving (Lin, Lin, Weng 2007).
class PlattFit {
 public:
  PlattFit(std::span<const Example> examples, double base_rate)
      : examples_(examples), weights_(weights_of(examples, base_rate)) {
    const Counts counts = count(examples);
    target_of_true_ = (counts.of_true + 1) / (counts.of_true + 2);
    target_of_false_ = 1 / (counts.of_false + 2);
    offset_ = std::log(base_rate / (1 - base_rate));
  }

  void run() {
    constexpr int kMostSteps = 100;
    for (int i = 0; i < kMostSteps && step(); ++i) {
    }
  }
  [[nodiscard]] double slope() const { return slope_; }
  [[nodiscard]] double offset() const { return offset_; }

 private:
  [[nodiscard]] double target(const Example& example) const {
    return example.is_true ? target_of_true_ : target_of_false_;
  }
  [[nodiscard]] double weight(const Example& example) const {
    return example.is_true ? weights_.of_true : weights_.of_false;
  }
  [[nodiscard]] double loss(double slope, double offset) const {
    double sum = 0;
    for (const Example& example : examples_) {
      const double x = slope * static_cast<double>(example.score) + offset;
      sum += weight(example) * (softplus(x) - target(example) * x);
    }
    return sum;
  }
  /// False when nothing is to be gained any more.
  bool step() {
    constexpr double kRidge = 1e-12;
    double g_slope = 0, g_offset = 0, h_slope = kRidge, h_both = 0, h_offset = kRidge;
    for (const Example& example : examples_) {
      const double score = example.score;
      const double p = sigmoid(slope_ * score + offset_);
      const double difference = weight(example) * (p - target(example));
      const double curvature = weight(example) * p * (1 - p);
      g_slope += difference * score;
      g_offset += difference;
      h_slope += curvature * score * score;
      h_both += curvature * score;
      h_offset += curvature;
    }
    const double determinant = h_slope * h_offset - h_both * h_both;
    const double to_slope = -(h_offset * g_slope - h_both * g_offset) / determinant;
    const double to_offset = -(h_slope * g_offset - h_both * g_slope) / determinant;
    const double before = loss(slope_, offset_);
    constexpr int kMostHalvings = 34;
    double length = 2;
    for (int i = 0; i < kMostHalvings; ++i) {
      length /= 2;
      const double slope = slope_ + length * to_slope;
      const double offset = offset_ + length * to_offset;
      const double after = loss(slope, offset);
      if (!(after < before)) continue;
      slope_ = slope;
      offset_ = offset;
      return before - after > 1e-12;
    }
    return false;
  }

  std::span<const Example> examples_;
  Counts weights_;
  double target_of_true_;
  double target_of_false_;
  double slope_ = 0;
  double offset_;
};

/// Pool adjacent violators; a point for each pool: its mean score and its share of true ones.
std::vector<Calibration::Point> isotonic(std::vector<Example> examples, double base_rate) {
  struct Pool {
    double weight, of_true, score;
    [[nodiscard]] double share() const { return of_true / weight; }
  };
  const Counts weights = weights_of(examples, base_rate);
  std::sort(examples.begin(), examples.end(), [](const Example& a, const Example& b) {
    return a.score != b.score ? a.score < b.score : int{a.is_true} < int{b.is_true};
  });
  std::vector<Pool> pools;
  const auto merge_last = [&] {
    const Pool last = pools.back();
    pools.pop_back();
    pools.back().weight += last.weight;
    pools.back().of_true += last.of_true;
    pools.back().score += last.score;
  };
  double score_before = 0;
  for (const Example& example : examples) {
    const double weight = example.is_true ? weights.of_true : weights.of_false;
    const double score = example.score;
    pools.push_back({weight, example.is_true ? weight : 0, weight * score});
    if (pools.size() > 1 && score == score_before) merge_last();  // level scores get one probability
    score_before = score;
    while (pools.size() > 1 && pools[pools.size() - 2].share() >= pools.back().share()) merge_last();
  }
  std::vector<Calibration::Point> points;
  for (const Pool& pool : pools) points.push_back({pool.score / pool.weight, pool.share()});
  return points;
}

double between(const std::vector<Calibration::Point>& points, double score) {
  const auto next = std::upper_bound(points.begin(), points.end(), score,
                                     [](double value, const Calibration::Point& point) { return value < point.score; });
  if (next == points.begin()) return points.front().probability;
  if (next == points.end()) return points.back().probability;
  const Calibration::Point& low = *(next - 1);
  const double share = (score - low.score) / (next->score - low.score);
  return low.probability + share * (next->probability - low.probability);
}

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  fail(ExitStatus::kBadData, "'{}' is no calibration ({}); 'tessera calibrate' makes it again", file.string(), why);
}

void check_points(const std::vector<Calibration::Point>& points, const std::filesystem::path& file) {
  if (points.empty()) refuse(file, "it has no points");
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Calibration::Point& point = points[i];
    if (!std::isfinite(point.score) || !(point.probability >= 0 && point.probability <= 1))
      refuse(file, "a point is not a score and a probability");
    if (i > 0 && (point.score < points[i - 1].score || point.probability < points[i - 1].probability))
      refuse(file, "its points do not ascend");
  }
}

}  // namespace

const char* name(CalibrationMethod method) { return method == CalibrationMethod::kPlatt ? "platt" : "isotonic"; }

Calibration Calibration::fit(CalibrationMethod method, std::vector<Example> examples, double base_rate) {
  Calibration calibration;
  calibration.method_ = method;
  calibration.base_rate_ = base_rate;
  if (method == CalibrationMethod::kIsotonic) {
    calibration.points_ = isotonic(std::move(examples), base_rate);
    return calibration;
  }
  PlattFit fit(examples, base_rate);
  fit.run();
  calibration.slope_ = fit.slope();
  calibration.offset_ = fit.offset();
  return calibration;
}

double Calibration::probability(float score) const {
  const double value = score;
  return method_ == CalibrationMethod::kPlatt ? sigmoid(slope_ * value + offset_) : between(points_, value);
}

CalibrationQuality Calibration::quality(std::span<const Example> examples) const {
  constexpr double kLeast = 1e-12;
  const Counts weights = weights_of(examples, base_rate_);
  CalibrationQuality quality;
  std::array<Counts, kBins> bins{};  // weighted: sum of probabilities, and of true ones
  for (const Example& example : examples) {
    const double weight = example.is_true ? weights.of_true : weights.of_false;
    const double p = probability(example.score);
    const double of_truth = example.is_true ? p : 1 - p;
    quality.brier += weight * (1 - of_truth) * (1 - of_truth);
    quality.log_loss -= weight * std::log(std::max(of_truth, kLeast));
    Counts& bin = bins.at(std::min(kBins - 1, static_cast<std::size_t>(p * kBins)));
    bin.of_false += weight * p;
    if (example.is_true) bin.of_true += weight;
  }
  for (const Counts& bin : bins) quality.error += std::abs(bin.of_false - bin.of_true);
  return quality;
}

void Calibration::save(const std::filesystem::path& run_folder, std::uint64_t epoch) const {
  nlohmann::ordered_json json = {{"format", "tessera calibration"},
                                 {"version", kVersion},
                                 {"epoch", epoch},
                                 {"method", name(method_)},
                                 {"base_rate", base_rate_},
                                 {"slope", slope_},
                                 {"offset", offset_},
                                 {"points", nlohmann::ordered_json::array()}};
  for (const Point& point : points_) json["points"].push_back({point.score, point.probability});
  storage::write_text(run_folder / kFile, json.dump(1) + "\n");
}

std::optional<Calibration> Calibration::find(const std::filesystem::path& run_folder, std::uint64_t epoch) {
  const std::filesystem::path file = run_folder / kFile;
  if (!std::filesystem::exists(file)) return std::nullopt;
  Calibration calibration;
  try {
    std::ifstream in(file, std::ios::binary);
    const nlohmann::json json = nlohmann::json::parse(in);
    if (json.at("version").get<std::uint64_t>() != kVersion) refuse(file, "its version is not known");
    if (const auto made_for = json.at("epoch").get<std::uint64_t>(); made_for != epoch) {
      log::warning(
          "'{}' is of epoch {}, the scores are of epoch {}: no probabilities; 'tessera calibrate' makes it again",
          file.string(), made_for, epoch);
      return std::nullopt;
    }
    const bool is_platt = json.at("method").get<std::string>() == name(CalibrationMethod::kPlatt);
    calibration.method_ = is_platt ? CalibrationMethod::kPlatt : CalibrationMethod::kIsotonic;
    calibration.base_rate_ = json.at("base_rate").get<double>();
    calibration.slope_ = json.at("slope").get<double>();
    calibration.offset_ = json.at("offset").get<double>();
    for (const auto& point : json.at("points"))
      calibration.points_.push_back({point.at(0).get<double>(), point.at(1).get<double>()});
  } catch (const nlohmann::json::exception& error) {
    refuse(file, error.what());
  }
  if (calibration.method_ == CalibrationMethod::kIsotonic) check_points(calibration.points_, file);
  return calibration;
}

}  // namespace tessera::predict
