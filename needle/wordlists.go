package needle

import "strings"

// list splits a list written one entry a line.
func list(text string) []string {
	return strings.Split(strings.TrimSpace(text), "\n")
}

// The generator's word lists. Entries of a list begin with different words or
// differ in their main noun, so that a wrong candidate never reads like the
// right one.
var (
	names = strings.Fields(`Agnes Alaric Amina Anselm Beatriz Bogdan Camille
		Cedric Chiara Dafydd Dagmar Darius Edda Elif Emil Farah Felix Fiona
		Gideon Gisela Hanna Hector Hugo Imani Ingrid Isidro Jarek Joanna Juno
		Kaspar Katya Kofi Laszlo Leila Linus Lotte Magnus Malika Marisol Mateo
		Nadia Nils Octavia Odin Olga Oskar Paloma Pavel Quentin Ramona Rasmus
		Renata Rufus Sabine Sergio Signe Tamar Tariq Thea Ulrich Valeria Viktor
		Yara Zoltan`)

	// Invented, so that no fact about them contradicts what a model has learned.
	towns = strings.Fields(`Abervane Alderby Ankora Balmoor Brantwick Calder
		Carvik Dorsena Drumley Elmstead Estrella Fallow Farwick Galdor Grimsel
		Hallow Hemlock Isenford Jarrow Jedmoor Kelby Kirkstone Lannoch
		Lindale Marbeck Merrow Norwick Oakmere Orsen Padstead Pellworth
		Quenby Ravenhill Rothley Salmouth Skarren Tamber Thornby Umbra
		Underhay Vardo Venholm Wexmoor Whitlow Yarnley Zandervale Zelmark
		Zorn`)

	trades = strings.Fields(`apothecary archivist baker barber beekeeper
		blacksmith bookbinder brewer carpenter clockmaker cobbler courier diver
		engraver falconer glazier jeweller locksmith mason midwife miller
		notary organist painter pilot printer saddler sculptor surveyor tailor
		tinker weaver`)

	occasions = list(`
a rainy morning
a foggy evening
a free afternoon
the first day of spring
the longest night of winter
a quiet Sunday
a birthday
the last hour before a train
a market day
a hot summer noon
a snowy weekend
the eve of a wedding
an unexpected holiday
a windy autumn day
a sleepless night
the harvest festival`)

	pastimes = list(`
ride the yellow tram
feed the canal ducks
climb the bell tower
sketch the iron bridges
borrow a rowing boat
listen to the street organs
watch the glass blowers
walk along the ramparts
play dominoes with pensioners
visit the puppet workshop
count the weathercocks
join the choir rehearsal
swim in the thermal pool
follow the lamplighters
tour the salt cellars
fly a paper kite`)

	wantedGoods = list(`
roasted chestnuts
woollen mittens
second-hand novels
heather honey
peppermint drops
singing crickets
plum vinegar
glass beads
caraway bread
dried thistles
pocket mirrors
wooden spinning tops
forged banknotes
smoked cheese
foreign stamps
tulip bulbs`)

	purchases = list(`
a second-hand mystery novel
a bag of roasted chestnuts
a pair of woollen mittens
a hand-painted teacup
a jar of heather honey
a wooden spinning top
a silver pocket mirror
a bunch of dried thistles
a tin of peppermint drops
a map of forgotten wells
a cage for singing crickets
a bottle of plum vinegar
a necklace of glass beads
a leather bookmark
a loaf of caraway bread
a candle shaped like an owl`)

	dishes = list(`
walnut bread
lentil soup
plum cake
mushroom pie
rabbit stew
ginger biscuits
fish broth
potato dumplings
apple strudel
pepper sauce
rice pudding
onion tart`)

	measures = list(`
a spoonful
a pinch
a handful
two cups
half a glass
three drops
a thimble
a generous slice
a small jar
five grains
a ladle
a knife tip`)

	textures = strings.Fields(`smoked pickled candied roasted fermented dried
		crushed salted toasted frozen spiced powdered blackened sweetened
		marinated wild`)

	foods = strings.Fields(`honey fennel chestnut rosehip saffron tamarind
		seaweed juniper cardamom quince horseradish mustard anise fig
		lavender sorrel buckwheat almond rhubarb apricot`)

	origins = list(`
the northern hills
the island monastery
the valley of mills
the lower marshes
the eastern desert
the queen's orchard
the abandoned vineyard
the village of potters
the far side of the lake
the slopes of a dead volcano
the garden of a widow
the Saturday fair`)

	treasures = list(`
the emerald ring
the signed treaty
the silver flute
the harbour charts
the wedding crown
the forged passport
the royal seal
the unpublished poem
the ruby brooch
the winning ticket
the antique compass
the family recipe
the stolen violin
the golden watch
the secret diary
the ivory chessmen`)

	belongings = list(`
the house keys
the love letters
the spare coins
the reading glasses
the sewing needles
the old photographs
the foreign stamps
the fishing hooks
the tram tickets
the birth certificate
the theatre programmes
the garden seeds`)

	containers = list(`
a cracked teapot
a leather boot
a hollow dictionary
a biscuit tin
a velvet hatbox
a wicker basket
a rusty lantern
a copper kettle
a broken accordion
a flour sack
a porcelain vase
a wooden clog
a canvas rucksack
a painted drawer
a pickle jar
a folded umbrella`)

	nooks = list(`
on the attic shelf
under the cellar stairs
behind the kitchen clock
beneath the chapel floor
beside the garden pump
above the stable door
among the winter coats
next to the coal bin
below the window seat
between the organ pipes
near the pigeon loft
beneath the well cover`)

	societies = list(`
clock menders
moth collectors
cheese judges
night swimmers
ballad singers
kite builders
stamp traders
mountain guides
rose growers
canal pilots
chess players
bell ringers
mushroom hunters
lace makers
ghost storytellers
bread testers`)

	gestures = list(`
three slow bows
a loud trumpet call
two claps of the hands
a whistled lullaby
a salute with the left elbow
five knocks on the table
a spoken riddle
a long moment of silence
a dance in a circle
one ring of a cowbell
a wink and a cough
an exchange of hats`)

	gifts = list(`
a ribbon of red silk
a bowl of cold soup
a pebble from the river
a slice of green melon
a goose feather
a lump of rock salt
a sprig of rosemary
a polished button
a thread of copper wire
a pear wrapped in paper
a cup of bitter cocoa
a walnut painted blue`)

	contests = list(`
barrel race
pumpkin weighing
stone skipping contest
sheepdog trial
whistling championship
sand castle contest
spelling tournament
boat parade
snail derby
scarecrow show
log sawing contest
tug of war
limerick contest
pancake race
cherry spitting contest
wheelbarrow rally`)

	habits = list(`
polishes brass doorknobs
swims across the mill pond
copies poems into a ledger
bakes rye bread for the neighbours
tunes the piano in the chapel
collects feathers on the beach
repairs bicycles for the school
photographs herons from a canoe
plants onions behind the station
solves crosswords in the laundry
carves whistles out of willow
teaches chess to the firemen
drinks nettle tea on the roof
walks twelve goats to the quarry
writes letters to a lighthouse
listens to shortwave radio
knits scarves for the statues
juggles oranges in the courtyard`)

	times = list(`
before sunrise
after every thunderstorm
on the first Monday of the month
whenever the moon is full
during the lunch break
on Thursday evenings
in the coldest week of winter
between two ferries
as soon as the bells ring
when the market closes
at the end of each season
on the way home`)

	finishes = strings.Fields(`hand-painted hammered embroidered lacquered
		enamelled braided gilded miniature folding perfumed musical waterproof
		marbled carved luminous antique`)

	wares = list(`
kites
umbrellas
door bells
saddles
chess sets
rocking horses
wall clocks
tea trays
fishing rods
lanterns
slippers
fiddles
globes
walking sticks
birdcages
carpets`)

	customers = list(`
travelling circuses
retired sea captains
village schools
mountain shepherds
royal gardeners
lonely lighthouse keepers
night trains
foreign diplomats
wandering musicians
newborn twins
arctic explorers
coffee houses`)

	pitches = list(`
on the dunes behind the airfield
on the stairs of the water tower
on the towpath of the canal
on the deck of a rusty freighter
on the terraces of a vineyard
on the roof of the parking garage
in the ruins of the abbey
in the tunnels of a closed mine
in the park beside the prison
in the snow above the dam
around the edge of the racecourse
around the pond of the hospital
through the orchards of the duke
through the alleys of the bazaar
along the fence of the zoo
along the beach below the fort
between the hangars of the shipyard
between the rows of a maze
across the fields of sunflowers
across the bogs of the reserve
up the ski slope in summer
up the ramp of the grain silo
down the steps of the amphitheatre
down the lane of the windmills`)

	inns = list(`
Golden Heron
Silver Fox
Blue Anchor
Old Plough
Red Falcon
Black Swan
White Stag
Green Dragon
Jolly Miller
Three Bells
Laughing Monk
Broken Wheel
Crooked Billet
Hungry Bear
Sleeping Giant
Iron Crown`)

	roasts = list(`
smoked eel
roast pheasant
braised hare
grilled trout
pickled herring
stuffed cabbage
baked pike
boiled mutton
fried sardines
stewed oxtail
jellied pork
peppered venison`)

	sides = list(`
buttered turnips
sour cherries
mashed parsnips
candied walnuts
creamed spinach
glazed carrots
white beans
honeyed figs
crisp leeks
barley dumplings
red lentils
potato pancakes`)
)
