"""Worked examples from the literature, as markets.

Where the numbers come from, and how far they were held against a text:

* read in the source, or in a public copy of its table: Weber's DECS-452 page (both examples); Böhm-
  Bawerk's horse market; Mittweida's double auction; a lecture's VCG example with bundle bids (public
  notes on combinatorial auctions, VCG principles);
* read in public code that cites them: Ausubel and Baranov 2019, figure 2 (bnelearn's tests of the LLG
  auction); Ausubel and Milgrom 2006, two licences at 2 billion (Auction Theory Toolbox, "the example
  from The Lovely but Lonely Vickrey Auction");
* given from knowledge of the text, which was not at hand; the published prices, which our rules
  reproduce, are the check: Ausubel 2004, section II; the five bids of Cramton 2013 and Day and Cramton
  2012; Lehmann, O'Callaghan and Shoham 2002, section 4;
* models without numbers in the source, with numbers of our own worked by hand, and said so in the test:
  Vickrey 1961, Myerson 1981, Nisan and Ronen 2001, Archer and Tardos 2007, Babaioff and Nisan 2004,
  Bichler et al. 2006, Sandholm et al. 2002, Davenport and Kalagnanam 2002, Goeree and Lien 2016, Day
  and Milgrom 2008, McAfee 1992, Rustichini et al. 1994, Scarf 1994.
"""
