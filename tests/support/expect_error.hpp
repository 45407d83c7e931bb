// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace tessera::test {

/// Expects that `work` throws an Error with `status` whose message has every one of `words`; returns the message.
template <class Work>
std::string expect_error(ExitStatus status, std::initializer_list<std::string_view> words, const Work& work) {
  std::string message;
  try {
    work();
  } catch (const Error& error) {
    message = error.what();
    EXPECT_EQ(static_cast<int>(error.status()), static_cast<int>(status)) << message;
    for (const std::string_view word : words)
      EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in: " << message;
    return message;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "threw something else than an Error: " << error.what();
    return message;
  }
  ADD_FAILURE() << "threw nothing";
  return message;
}

}  // namespace tessera::test
