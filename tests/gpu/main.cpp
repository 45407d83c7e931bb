// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The main of tests that need a device: without one they are skipped (77) and say why.
#include "core/error.hpp"
#include "device/device.hpp"

#include <gtest/gtest.h>

#include <cstdio>

int main(int argc, char** argv) {
  try {
    const tessera::device::Properties properties = tessera::device::Device::open(0).properties();
    std::printf("on %s, driver for CUDA %d.%d\n", properties.name.c_str(), properties.driver.major,
                properties.driver.minor);
  } catch (const tessera::Error& error) {
    std::printf("skipped: %s\n", error.what());
    return 77;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
