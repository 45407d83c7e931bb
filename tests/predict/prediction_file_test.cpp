// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/prediction_file.hpp"

#include "predict/report.hpp"
#include "predict_run.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>

namespace tessera::test {
namespace {

using predict::KnownIn;
using predict::Prediction;
using predict::Side;
using storage::FileReader;

const StoredGraph& shared_graph() {
  static const StoredGraph stored(random_graph({.entities = 12, .relations = 2, .train = 60, .valid = 10, .test = 10}),
                                  4);
  return stored;
}

std::filesystem::path output() { return shared_graph().run_folder() / "predictions.h5"; }

/// Writes all predictions of `how`; returns them.
std::vector<Prediction> write_on_ranks(const PredictCase& how) {
  std::vector<Prediction> predictions;
  const auto questions = questions_in(all_questions(shared_graph().graph()));
  predict_on_ranks(shared_graph(), {}, how, questions, [&](predict::Predictor& predictor, bool is_root) {
    std::unique_ptr<predict::PredictionFile> file;
    if (is_root)
      file = std::make_unique<predict::PredictionFile>(output(), predictor.names(), predictor.question_count(),
                                                       predictor.most_answers());
    predictor.run([&](const Prediction& prediction) {
      file->append(prediction);
      predictions.push_back(prediction);
    });
    if (is_root) file->commit({"complex", 8, 5, shared_graph().manifest().graph_digest, how.options.known});
  });
  return predictions;
}

std::map<std::uint64_t, std::string> names_in(const FileReader& file, const std::string& group) {
  const auto ids = file.read<std::uint64_t>(group + "/id");
  const auto offsets = file.read<std::uint64_t>(group + "/name_offsets");
  const auto bytes = file.read<char>(group + "/name_bytes");
  std::map<std::uint64_t, std::string> names;
  for (std::size_t i = 0; i < ids.size(); ++i)
    names[ids[i]] = std::string(bytes.data() + offsets[i], offsets[i + 1] - offsets[i]);
  return names;
}

TEST(PredictionFileTest, HoldsWhatWasPredicted) {
  for (const auto known : {predict::KnownAnswers::kMark, predict::KnownAnswers::kOmit}) {
    PredictCase how;
    how.ranks = 2;
    how.options.k = 9;
    how.options.known = known;
    const std::vector<Prediction> predictions = write_on_ranks(how);
    const FileReader file = FileReader::open_verified(output(), "predictions", 1);
    const auto names = names_in(file, "/entities");
    const auto relation_names = names_in(file, "/relations");
    const auto entity = file.read<std::uint64_t>("/queries/entity");
    const auto relation = file.read<std::uint32_t>("/queries/relation");
    const auto side = file.read<std::uint8_t>("/queries/side");
    const auto count = file.read<std::uint32_t>("/queries/answers");
    const auto answer = file.read<std::uint64_t>("/answers/entity");
    const auto score = file.read<float>("/answers/score");
    const auto known_in = file.read<std::uint8_t>("/answers/known_in");
    EXPECT_EQ(file.shape("/answers/entity"), (std::vector<std::uint64_t>{predictions.size(), 9}));
    ASSERT_EQ(entity.size(), predictions.size());
    for (std::size_t q = 0; q < predictions.size(); ++q) {
      EXPECT_EQ(names.at(entity[q]), predictions[q].entity);
      EXPECT_EQ(relation_names.at(relation[q]), predictions[q].relation);
      EXPECT_EQ(side[q], predictions[q].question.side == Side::kHead ? 1 : 0);
      ASSERT_EQ(count[q], predictions[q].answers.size());
      for (std::size_t i = 0; i < 9; ++i) {
        const std::size_t at = q * 9 + i;
        EXPECT_EQ(std::isnan(score[at]), i >= count[q]);
        EXPECT_EQ(answer[at] == ~std::uint64_t{0}, i >= count[q]);
        if (i >= count[q]) continue;
        EXPECT_EQ(names.at(answer[at]), predictions[q].answer_names[i]);
        EXPECT_EQ(score[at], predictions[q].answers[i].score);
        EXPECT_EQ(known_in[at], static_cast<std::uint8_t>(predictions[q].answers[i].known_in));
      }
    }
    EXPECT_EQ(file.string("/", "known_answers"), known == predict::KnownAnswers::kMark ? "marked" : "left out");
    EXPECT_EQ(file.integer("/", "k"), 9U);
  }
}

TEST(PredictionFileTest, IsThereWholeOrNotAtAll) {
  std::filesystem::remove(output());
  predict_on_ranks(shared_graph(), {}, {}, questions_in(all_questions(shared_graph().graph())),
                   [&](predict::Predictor& predictor, bool) {
                     const predict::PredictionFile unfinished(output(), predictor.names(), 1, 1);
                     EXPECT_THROW(predict::PredictionFile("/no/such/folder/p.h5", predictor.names(), 1, 1), Error);
                   });
  for (const auto& entry : std::filesystem::directory_iterator(output().parent_path()))
    EXPECT_EQ(entry.path().filename().string().find("predictions"), std::string::npos) << entry.path();
}

Prediction example() {
  Prediction prediction{{7, 1, Side::kTail}, "dog.n.01", "hyper \"nym\"", {}, {}, {}};
  prediction.answers = {{3, 1.5F, KnownIn::kTrain}, {4, -0.25F, KnownIn::kNowhere}};
  prediction.answer_names = {"canine", "caf\xC3\xA9"};
  return prediction;
}

TEST(PredictionReportTest, Text) {
  Prediction prediction = example();
  EXPECT_EQ(predict::to_text(prediction),
            "dog.n.01 hyper \"nym\" ?\n"
            "    1  canine      1.5000  known (train)\n"
            "    2  caf\xC3\xA9       -0.2500\n");
  prediction.question.side = Side::kHead;
  prediction.answers.clear();
  prediction.answer_names.clear();
  EXPECT_EQ(predict::to_text(prediction), "? hyper \"nym\" dog.n.01\n  no answers\n");
}

TEST(PredictionReportTest, Json) {
  EXPECT_EQ(predict::to_json(example()), R"({"entity":"dog.n.01","relation":"hyper \"nym\"","asks":"tail","answers":[)"
                                         R"({"rank":1,"entity":"canine","score":1.5,"known_in":"train"},)"
                                         "{\"rank\":2,\"entity\":\"caf\xC3\xA9\",\"score\":-0.25,\"known_in\":null}]}");
}

}  // namespace
}  // namespace tessera::test
