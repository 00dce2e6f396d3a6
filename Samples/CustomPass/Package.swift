// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "CustomPass",
  dependencies: [.package(name: "furc", path: "../..")],
  targets: [
    .executableTarget(
      name: "CustomPass",
      dependencies: [.product(name: "Furc", package: "furc")],
      swiftSettings: [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
      ])
  ],
  swiftLanguageModes: [.v6]
)
