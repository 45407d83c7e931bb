// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/calibration.hpp"

#include "core/error.hpp"
#include "core/random.hpp"

#include <unistd.h>

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

namespace tessera::test {
namespace {

using predict::Calibration;
using predict::CalibrationMethod;
using predict::Example;

/// Examples whose truth has the probability 1 / (1 + exp(-(2 score - 1))).
std::vector<Example> logistic(std::uint64_t count) {
  const RandomStream random(7, Purpose::kCalibration);
  std::vector<Example> examples;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto score = static_cast<float>(6 * random.uniform(2 * i) - 3);
    const double p = 1 / (1 + std::exp(-(2 * static_cast<double>(score) - 1)));
    examples.push_back({score, random.uniform(2 * i + 1) < p});
  }
  return examples;
}

double share_of_true(const std::vector<Example>& examples) {
  double of_true = 0;
  for (const Example& example : examples) of_true += example.is_true ? 1 : 0;
  return of_true / static_cast<double>(examples.size());
}

TEST(CalibrationTest, FindsTheProbabilitiesThatExamplesWereDrawnWith) {
  const std::vector<Example> examples = logistic(20000);
  for (const auto method : {CalibrationMethod::kPlatt, CalibrationMethod::kIsotonic}) {
    const Calibration found = Calibration::fit(method, examples, share_of_true(examples));
    double before = 0;
    for (int quarter = -10; quarter <= 10; ++quarter) {
      const float score = 0.25F * static_cast<float>(quarter);
      const double p = found.probability(score);
      EXPECT_NEAR(p, 1 / (1 + std::exp(-(2 * static_cast<double>(score) - 1))), 0.04) << name(method) << " " << score;
      EXPECT_GE(p, before);
      before = p;
    }
    EXPECT_LT(found.quality(examples).error, 0.02);
    EXPECT_LT(found.quality(examples).brier, 0.12);
  }
}

TEST(CalibrationTest, TheBaseRateMovesProbabilities) {
  const std::vector<Example> examples = logistic(5000);
  const double often = Calibration::fit(CalibrationMethod::kPlatt, examples, 0.5).probability(0);
  const double seldom = Calibration::fit(CalibrationMethod::kPlatt, examples, 0.01).probability(0);
  EXPECT_GT(often, 10 * seldom);
}

TEST(CalibrationTest, IsotonicStepsByHand) {
  // Shares of pools at the scores 1, (2, 3), 4: 0, 1/2, 1.
  const std::vector<Example> examples = {{1, false}, {2, true}, {3, false}, {4, true}};
  const Calibration found = Calibration::fit(CalibrationMethod::kIsotonic, examples, 0.5);
  EXPECT_DOUBLE_EQ(found.probability(0), 0);
  EXPECT_DOUBLE_EQ(found.probability(2.5F), 0.5);
  EXPECT_DOUBLE_EQ(found.probability(1.75F), 0.25);
  EXPECT_DOUBLE_EQ(found.probability(9), 1);
}

TEST(CalibrationTest, PerfectlySeparatedScoresStayNumbers) {
  const std::vector<Example> examples = {{-1, false}, {-1, false}, {1, true}, {1, true}};
  const Calibration found = Calibration::fit(CalibrationMethod::kPlatt, examples, 0.5);
  EXPECT_GT(found.probability(1), 0.7);
  EXPECT_LT(found.probability(-1), 0.3);
  EXPECT_TRUE(std::isfinite(found.probability(1e30F)));
}

TEST(CalibrationTest, NeedsTrueAndFalseOnes) {
  EXPECT_THROW(Calibration::fit(CalibrationMethod::kPlatt, {{1, true}}, 0.5), Error);
  EXPECT_THROW(Calibration::fit(CalibrationMethod::kIsotonic, {{1, false}}, 0.5), Error);
}

class CalibrationFileTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("calibration-" + std::to_string(::getpid()));
};

TEST_F(CalibrationFileTest, IsReadAsItWasWritten) {
  EXPECT_FALSE(Calibration::find(folder_, 3));
  for (const auto method : {CalibrationMethod::kPlatt, CalibrationMethod::kIsotonic}) {
    const Calibration made = Calibration::fit(method, logistic(500), 0.3);
    made.save(folder_, 3);
    const auto read = Calibration::find(folder_, 3);
    ASSERT_TRUE(read);
    for (int i = -40; i < 40; ++i) {
      const float score = 0.1F * static_cast<float>(i);
      EXPECT_EQ(read->probability(score), made.probability(score));
    }
    EXPECT_FALSE(Calibration::find(folder_, 4)) << "another epoch";
  }
}

TEST_F(CalibrationFileTest, AFileThatIsNoneIsRefused) {
  Calibration::fit(CalibrationMethod::kIsotonic, {{1, false}, {2, true}}, 0.5).save(folder_, 3);
  const std::filesystem::path file = folder_ / "calibration.json";
  std::ifstream in(file);
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), good.substr(0, good.size() / 2),
        std::string(good).replace(good.find("isotonic"), 8, "isotonik").replace(good.find("points"), 6, "pointz"),
        std::string(good).replace(good.find("\"version\": 1"), 12, "\"version\": 9")}) {
    std::ofstream(file, std::ios::trunc) << bad;
    EXPECT_THROW((void)Calibration::find(folder_, 3), Error) << bad;
  }
}

}  // namespace
}  // namespace tessera::test
