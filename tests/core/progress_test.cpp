// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/progress.hpp"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(Progress, RateAndTimeLeft) {
  const Progress progress("training", 4000, "triples", true);
  EXPECT_EQ(progress.line(1000, 10, "loss 3"), "training: 1,000 of 4,000 (25 %) triples, 100 /s, 30.0 s left, loss 3");
}

TEST(Progress, WhatWasDoneEarlierIsNoSpeed) {
  const Progress progress("training", 4000, "triples", true, 3000);
  EXPECT_EQ(progress.line(3500, 10, ""), "training: 3,500 of 4,000 (88 %) triples, 50 /s, 10.0 s left");
  EXPECT_EQ(progress.line(3000, 10, ""), "training: 3,000 of 4,000 (75 %) triples, 0 /s");
}

TEST(Progress, UnknownTotal) {
  const Progress progress("reading", 0, "lines", true);
  EXPECT_EQ(progress.line(500, 5, ""), "reading: 500 lines, 100 /s");
}

}  // namespace
}  // namespace tessera
