// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/question.hpp"

#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

namespace tessera::test {
namespace {

using predict::Question;
using predict::QuestionSource;
using predict::Side;

std::vector<Question> all_of(const QuestionSource& source) {
  std::vector<Question> questions;
  source([&](const Question& question) { questions.push_back(question); });
  return questions;
}

class QuestionFileTest : public testing::Test {
 protected:
  std::vector<Question> read(const std::string& content) {
    std::ofstream(path(), std::ios::binary) << content;
    return all_of(predict::question_file(path()));
  }
  std::string failure(const std::string& content) {
    try {
      read(content);
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), ExitStatus::kBadData);
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }
  [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "queries.tsv"; }

 private:
  TemporaryFolder folder_;
};

TEST_F(QuestionFileTest, ReadsAllForms) {
  const auto questions =
      read("\xEF\xBB\xBF# a comment\n\ndog.n.01\thypernym\r\n?\tpart of\twheel\nParis\tcapital of\t?");
  ASSERT_EQ(questions.size(), 3U);
  EXPECT_EQ(questions[0].entity, "dog.n.01");
  EXPECT_EQ(questions[0].relation, "hypernym");
  EXPECT_EQ(questions[0].side, Side::kTail);
  EXPECT_EQ(questions[0].where, path().string() + ":3");
  EXPECT_EQ(questions[1].entity, "wheel");
  EXPECT_EQ(questions[1].relation, "part of");
  EXPECT_EQ(questions[1].side, Side::kHead);
  EXPECT_EQ(questions[2].entity, "Paris");
  EXPECT_EQ(questions[2].side, Side::kTail);
  EXPECT_TRUE(read("").empty());
  EXPECT_TRUE(read("# only this\n").empty());
}

TEST_F(QuestionFileTest, BadLinesAreNamed) {
  EXPECT_NE(failure("a\tr\nb\n").find("queries.tsv:2: 1 columns"), std::string::npos);
  EXPECT_NE(failure("a\tr\tb\tc\n").find(":1: 4 columns"), std::string::npos);
  EXPECT_NE(failure("a\tr\tb\n").find("exactly one word"), std::string::npos);
  EXPECT_NE(failure("?\tr\t?\n").find("exactly one word"), std::string::npos);
  EXPECT_NE(failure("\tr\n").find("an empty name"), std::string::npos);
  EXPECT_NE(failure("a\t\t?\n").find("an empty name"), std::string::npos);
  EXPECT_NE(failure("\n\na\xFF\tr\n").find(":3: not UTF-8"), std::string::npos);
}

TEST_F(QuestionFileTest, AMissingFileIsSaid) {
  try {
    all_of(predict::question_file(path()));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kMissingInput);
  }
}

TEST(TypedQuestionTest, TakesTheSameForms) {
  const std::vector<std::string> two = {"dog", "hypernym"};
  EXPECT_EQ(all_of(predict::typed_questions({two})).front().side, Side::kTail);
  const std::vector<std::string> three = {"?", "hypernym", "dog"};
  EXPECT_EQ(all_of(predict::typed_questions({three})).front().side, Side::kHead);
  EXPECT_EQ(all_of(predict::typed_questions({three})).front().bad_status, ExitStatus::kUsage);
  const std::vector<std::string> relation = {"dog", "?", "cat"};
  EXPECT_EQ(all_of(predict::typed_questions({two, relation})).back().side, Side::kRelation);
  EXPECT_EQ(all_of(predict::typed_questions({two, relation})).back().other, "cat");
  const std::vector<std::string> one = {"dog"};
  try {
    all_of(predict::typed_questions({one}));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kUsage);
  }
}

}  // namespace
}  // namespace tessera::test
