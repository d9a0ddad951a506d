import Inspect

extension RunReport {
  func attentionSection() throws -> Page.Section? {
    guard let layer = explanations.first?.layer else { return nil }
    func figures(_ explanations: [Explanation]) throws -> Markup {
      let items = try explanations.map { explanation -> Markup in
        let correlation =
          explanation.check.rankCorrelation.map { "correlation \($0.rounded(digits: 2))" } ?? "empty map"
        let check: Markup =
          explanation.check.passes
          ? "<span class=\"ok\">check passed</span> <span class=\"soft\">\(correlation)</span>"
          : "<span class=\"no\">check failed</span> <span class=\"soft\">\(correlation)</span>"
        let description = description(explanation.picture)
        return """
          <li><figure><div class="pair">\(try Page.image(explanation.original, alt: description))\
          \(try Page.image(explanation.overlay, alt: "Where in it the network looked"))</div>\
          <figcaption>\(verdict(explanation.picture))<br>\(check)\
          \(fileName(explanation.picture))</figcaption></figure></li>
          """
      }
      return "<ul class=\"gallery maps\">\(items)</ul>"
    }
    let right = explanations.filter { pictures[$0.picture].answer?.isRight == true }
    let wrong = explanations.filter { pictures[$0.picture].answer?.isRight == false }
    var body: [Markup] = []
    if !wrong.isEmpty { body += ["<h3>When it was wrong</h3>", try figures(wrong)] }
    if !right.isEmpty { body += ["<h3>When it was right</h3>", try figures(right)] }
    return Page.Section(
      id: "attention", name: "Heat maps", title: "Where the network looked",
      lead: """
        Grad-CAM at <code>\(layer)</code>: what glows spoke for the answer. Each map is compared with those of \
        networks whose upper layers were made random; one that looks the same says nothing about what was learned and \
        fails the check.
        """,
      body: Markup(body))
  }

  func layersSection() throws -> Page.Section? {
    guard filters != nil || featureMaps != nil else { return nil }
    let kernels = try filters.map { filters -> Markup in
      """
      <div><h3>Kernels of the first layer</h3>
      <p class="soft">What the network looks for first; middle grey is 0.</p>
      \(try Page.image(filters, alt: "The first layer's kernels side by side", style: "sheet"))</div>
      """
    }
    let maps = try featureMaps?.maps.map { layer, image -> Markup in
      """
      <div><h3><code>\(layer)</code></h3>
      \(try Page.image(image, alt: "The strongest feature maps of \(layer)", style: "sheet"))</div>
      """
    }
    let example = featureMaps.map { featureMaps -> Markup in
      """
      <div><h3>What it makes of one image</h3>
      <p class="soft">Below are its strongest feature maps in layers of each size, bright where they respond.</p>
      <div class="single">\(figure(featureMaps.picture))</div></div>
      """
    }
    return Page.Section(
      id: "layers", name: "Layers", title: "Filters and feature maps",
      lead: "From edges in the first layers to parts of objects in the last.",
      body: """
        <div class="two">\([kernels, example].compactMap { $0 })</div>
        <div class="two">\(maps ?? [])</div>
        """)
  }

  var neighborsSection: Page.Section? {
    guard !neighborhoods.isEmpty else { return nil }
    let rows = neighborhoods.map { neighborhood -> Markup in
      let near = neighborhood.neighbors.map { neighbor -> Markup in
        let isSame = pictures[neighbor.picture].label == pictures[neighborhood.picture].label
        let name: Markup =
          "<span class=\"\(isSame ? "ok" : "no" as Markup)\">\(classNames[pictures[neighbor.picture].label])</span>"
        return figure(neighbor.picture, note: "\(name) <span class=\"soft\">\(neighbor.similarity, digits: 2)</span>")
      }
      return "<div class=\"row\">\(figure(neighborhood.picture))\(near)</div>"
    }
    return Page.Section(
      id: "neighbors", name: "Neighbours", title: "Nearest training images",
      lead: """
        To the network, these of \(searchedTrainingImages.grouped) training images are most like the first one of each \
        row (the number is the cosine between their features). They often tell where a mistake was learned.
        """,
      body: Markup(rows))
  }

  func augmentationSection() throws -> Page.Section? {
    guard !augmentation.isEmpty else { return nil }
    let rows = try augmentation.map { images -> Markup in
      let cells = try images.enumerated().map { index, image -> Markup in
        try Page.image(image, alt: index == 0 ? "A training image as it is" : "Augmented, variant \(index)")
      }
      return "<div class=\"row augmented\">\(cells)</div>"
    }
    return Page.Section(
      id: "augmentation", name: "Augmentation", title: "What training saw",
      lead:
        "The first of each row is the training image as the network gets it; the others are variants of augmentation.",
      body: Markup(rows))
  }
}
